import { AssayError, isAssayError, type ResultRow, type UserColumn } from "@assay/core";
import { parquetMetadata, parquetReadObjects, type SchemaElement } from "hyparquet";
import { shardSchema } from "./shard-schema.ts";

export interface DecodedShard {
  readonly rows: ResultRow[];
  /** the footer's key-value pairs */
  readonly metadata: { readonly [key: string]: string };
  readonly columns: UserColumn[];
}

/** The library's own would take a byte order mark off a text's beginning, and mend what is no UTF-8. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const parsers = { stringFromBytes: (bytes: Uint8Array | undefined) => bytes && decoder.decode(bytes) };

export type DecodeShard = (bytes: Uint8Array) => Promise<DecodedShard>;

/**
 * The rows of a shard. Throws E_BROKEN when the bytes cannot be read as Parquet or the schema is not schema 1 to the
 * last column. May not end on damaged bytes (a flipped bit in a BOOLEAN page makes the reader spin): check the hash
 * first, or decode under a time limit (`openDecoder`).
 */
export async function decodeShard(bytes: Uint8Array): Promise<DecodedShard> {
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  try {
    const footer = parquetMetadata(file);
    const columns = userColumns(footer.schema);
    refuseOtherSchema(footer.schema, shardSchema(columns));
    const metadata = Object.fromEntries((footer.key_value_metadata ?? []).map(({ key, value }) => [key, value ?? ""]));
    const objects = await parquetReadObjects({ file, metadata: footer, parsers });
    return { rows: objects.map((object) => resultRow(object, columns)), metadata, columns };
  } catch (cause) {
    if (isAssayError(cause)) throw cause;
    throw new AssayError("E_BROKEN", "a shard cannot be read as Parquet", {
      got: String((cause as { message?: unknown }).message ?? cause),
      cause,
    });
  }
}

/** The user's columns as the file's own schema tells them: what stands behind the fixed columns. */
function userColumns(schema: readonly SchemaElement[]): UserColumn[] {
  return schema.flatMap((element): UserColumn[] => {
    if (!element.name.startsWith("in_")) return [];
    const type =
      element.type === "DOUBLE"
        ? "double"
        : element.type === "BOOLEAN"
          ? "boolean"
          : element.type === "INT64"
            ? "int64"
            : "string";
    return [{ name: element.name.slice(3), type }];
  });
}

function refuseOtherSchema(found: readonly SchemaElement[], expected: readonly SchemaElement[]): void {
  for (let i = 0; i < Math.max(found.length, expected.length); i += 1) {
    const got = describe(found[i]);
    const want = describe(expected[i]);
    if (got !== want)
      throw new AssayError("E_BROKEN", "a shard's schema is not schema 1", {
        where: `column ${i}`,
        expected: want,
        got,
      });
  }
}

function describe(element: SchemaElement | undefined): string {
  if (element === undefined) return "nothing";
  const { name, type, repetition_type, logical_type, num_children } = element;
  const time =
    logical_type?.type === "TIMESTAMP"
      ? `${logical_type.unit} ${logical_type.isAdjustedToUTC ? "UTC" : "local"}`
      : undefined;
  return [name, type, repetition_type, logical_type?.type, time, num_children]
    .filter((part) => part !== undefined)
    .join(" ");
}

function resultRow(object: { [column: string]: unknown }, columns: readonly UserColumn[]): ResultRow {
  const row: { [column: string]: unknown } = {};
  for (const [name, value] of Object.entries(object)) if (!name.startsWith("in_")) row[name] = plain(value);
  row.scored_at = (object.scored_at as Date).getTime();
  row.columns = Object.fromEntries(columns.map(({ name }) => [`in_${name}`, plain(object[`in_${name}`])]));
  return row as unknown as ResultRow;
}

function plain(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === "bigint") {
    if (!Number.isSafeInteger(Number(value))) throw new AssayError("E_BROKEN", "a shard holds an integer beyond 2^53");
    return Number(value);
  }
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null && !(value instanceof Date)) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
  }
  return value;
}
