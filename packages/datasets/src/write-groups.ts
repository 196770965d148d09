import type { ByteSink, ExportOptions } from "./export-row.ts";
import type { GroupRow } from "./group-table.ts";
import { parquetSink } from "./parquet-sink.ts";
import { element, type Leaf } from "./shard-schema.ts";
import { createTextLines } from "./text-lines.ts";

const columns: readonly (readonly [keyof GroupRow, Leaf])[] = [
  ["group", { type: "BYTE_ARRAY", text: true, required: true }],
  ["principle", { type: "BYTE_ARRAY", text: true, required: true }],
  ["row_index", { type: "INT64", required: true }],
  ["id", { type: "BYTE_ARRAY", text: true, required: true }],
  ["response_index", { type: "INT32" }],
  ["status", { type: "BYTE_ARRAY", text: true, required: true }],
  ["reward", { type: "DOUBLE" }],
  ["group_rows", { type: "INT32", required: true }],
  ["group_ok", { type: "INT32", required: true }],
  ["group_mean", { type: "DOUBLE" }],
  ["group_std", { type: "DOUBLE" }],
];

/** Rows of a Parquet group. */
const groupRows = 10_000;

/** The table for group-relative training as one file, in the order given. Memory: 10,000 rows and one piece. */
export async function writeGroups(
  format: ExportOptions["format"],
  pieces: AsyncIterable<readonly GroupRow[]>,
  sink: ByteSink,
): Promise<number> {
  let rows = 0;
  if (format !== "parquet") {
    const lines = createTextLines(
      format,
      columns.map(([name]) => name),
    );
    const encoder = new TextEncoder();
    for await (const piece of pieces) {
      rows += piece.length;
      await sink.write(encoder.encode(lines.rows(piece)));
    }
    await sink.write(encoder.encode(lines.end()));
    return rows;
  }
  const schema = [
    { name: "root", num_children: columns.length },
    ...columns.map(([name, leaf]) => element(name, leaf)),
  ];
  const parquet = parquetSink(schema, sink);
  let group: GroupRow[] = [];
  const flush = async (): Promise<void> => {
    if (group.length === 0) return;
    const data = (name: keyof GroupRow, leaf: Leaf): unknown[] =>
      group.map((row) => (leaf.type === "INT64" ? BigInt(row[name] ?? 0) : row[name]));
    await parquet.writeGroup(
      columns.map(([name, leaf]) => ({ name, data: data(name, leaf) })),
      group.length,
    );
    rows += group.length;
    group = [];
  };
  for await (const piece of pieces) {
    // not as arguments of one call: a record may have more responses than a call takes
    for (const row of piece) group.push(row);
    if (group.length >= groupRows) await flush();
  }
  await flush();
  await parquet.finish();
  return rows;
}
