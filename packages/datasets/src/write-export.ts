import { resultColumns } from "@assay/core";
import { type ByteSink, type ExportOptions, type ExportRow, rewardOf } from "./export-row.ts";
import { openParquetFile } from "./parquet-file.ts";
import { createTextLines } from "./text-lines.ts";

/**
 * One file of a batch's rows, in the order given. Parquet: the shard's columns with the shard's types, then prompt and
 * response. JSONL: one object a line with the same names, null kept, `carried` and `samples` as values. CSV: a header
 * and the same columns, null as an empty cell and an empty text as "", `carried` and `samples` as JSON text. Memory:
 * one row group. Resolves with the number of rows once all bytes were handed to the sink.
 */
export async function writeExport(
  options: ExportOptions,
  chunks: AsyncIterable<readonly ExportRow[]>,
  sink: ByteSink,
): Promise<number> {
  if (options.format === "parquet") {
    const file = openParquetFile(options, sink);
    for await (const chunk of chunks) for (const row of chunk) await file.add(row);
    return file.close();
  }
  const lines = createTextLines(options.format, [
    ...resultColumns,
    ...options.columns.map(({ name }) => `in_${name}`),
    ...(options.text ? ["prompt", "response"] : []),
  ]);
  const encoder = new TextEncoder();
  let rows = 0;
  for await (const chunk of chunks) {
    rows += chunk.length;
    await sink.write(encoder.encode(lines.rows(chunk.map((row) => flat(row, options.text)))));
  }
  await sink.write(encoder.encode(lines.end()));
  return rows;
}

/** A row as one object: times as ISO text, JSON text as values, the user's columns beside ours. */
function flat(exported: ExportRow, text: boolean): { [column: string]: unknown } {
  const { row, prompt, response } = exported;
  const { columns, carried, scored_at, ...fixed } = row;
  return {
    ...fixed,
    reward: rewardOf(exported),
    scored_at: new Date(scored_at).toISOString(),
    carried: carried === null ? null : (JSON.parse(carried) as unknown),
    ...columns,
    ...(text ? { prompt, response } : {}),
  };
}
