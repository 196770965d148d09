import { type ResultRow, resultColumns, type UserColumn } from "@assay/core";
import { openParquetFile } from "./parquet-file.ts";
import { createTextLines } from "./text-lines.ts";

/** A result row with its texts, where these were asked for. */
export interface ExportRow {
  readonly row: ResultRow;
  /** the conversation before the response: the text of a single user turn, else JSON of the messages */
  readonly prompt: string | null;
  readonly response: string | null;
}

export const exportFormats = ["parquet", "jsonl", "csv"] as const;

export interface ExportOptions {
  readonly format: (typeof exportFormats)[number];
  /** adds `prompt` and `response` behind the other columns */
  readonly text: boolean;
  readonly columns: readonly UserColumn[];
}

/** Where bytes go, in order. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
}

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
function flat({ row, prompt, response }: ExportRow, text: boolean): { [column: string]: unknown } {
  const { columns, carried, scored_at, ...fixed } = row;
  return {
    ...fixed,
    scored_at: new Date(scored_at).toISOString(),
    carried: carried === null ? null : (JSON.parse(carried) as unknown),
    ...columns,
    ...(text ? { prompt, response } : {}),
  };
}
