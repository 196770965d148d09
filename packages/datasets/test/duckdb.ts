import { DuckDBInstance } from "@duckdb/node-api";

/** Rows as DuckDB reads them, brought to plain values: lists to arrays, structs to objects, timestamps to microseconds. */
export async function duckdb(sql: string): Promise<{ [column: string]: unknown }[]> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    // a zone of its own, so that a time read as local would show
    await connection.run("SET TimeZone = 'Pacific/Auckland'");
    const rows = await (await connection.runAndReadAll(sql)).getRowObjects();
    return rows.map((row) => plain(row) as { [column: string]: unknown });
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (typeof value !== "object" || value === null) return value;
  if ("items" in value && Array.isArray(value.items)) return value.items.map(plain);
  if ("entries" in value && typeof value.entries === "object") return plain(value.entries);
  if ("micros" in value) return { micros: String(value.micros) };
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]));
}
