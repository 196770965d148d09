import type { ResultRow, UserColumn } from "@assay/core";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { columnData } from "./encode-shard.ts";
import { shardSchema } from "./shard-schema.ts";

/** A result row with its texts, where these were asked for. */
export interface ExportRow {
  readonly row: ResultRow;
  /** the conversation before the response: the text of a single user turn, else JSON of the messages */
  readonly prompt: string | null;
  readonly response: string | null;
}

export interface ExportOptions {
  readonly format: "parquet" | "jsonl";
  /** adds `prompt` and `response` behind the other columns */
  readonly text: boolean;
  readonly columns: readonly UserColumn[];
}

/** Rows of a Parquet group: scores alone are small; texts are held in memory until their group is full. */
const groupRows = { scores: 10_000, text: 1_000 } as const;

/**
 * One file of a batch's rows, in the order given. Parquet: the shard's columns with the shard's types, then prompt and
 * response. JSONL: one object a line with the same names, null kept, `carried` as an object. Memory: one row group.
 * Resolves with the number of rows once all bytes were handed to the sink.
 */
export async function writeExport(
  options: ExportOptions,
  chunks: AsyncIterable<readonly ExportRow[]>,
  sink: { write(bytes: Uint8Array): Promise<void> },
): Promise<number> {
  return options.format === "jsonl" ? writeJsonl(options, chunks, sink) : writeParquet(options, chunks, sink);
}

async function writeJsonl(
  options: ExportOptions,
  chunks: AsyncIterable<readonly ExportRow[]>,
  sink: { write(bytes: Uint8Array): Promise<void> },
): Promise<number> {
  const encoder = new TextEncoder();
  let rows = 0;
  for await (const chunk of chunks) {
    const lines = chunk.map(({ row, prompt, response }) => {
      const { columns, carried, scored_at, ...fixed } = row;
      const texts = options.text ? { prompt, response } : {};
      const own = {
        scored_at: new Date(scored_at).toISOString(),
        carried: carried === null ? null : (JSON.parse(carried) as unknown),
      };
      return `${JSON.stringify({ ...fixed, ...own, ...columns, ...texts })}\n`;
    });
    rows += chunk.length;
    await sink.write(encoder.encode(lines.join("")));
  }
  return rows;
}

async function writeParquet(
  options: ExportOptions,
  chunks: AsyncIterable<readonly ExportRow[]>,
  sink: { write(bytes: Uint8Array): Promise<void> },
): Promise<number> {
  const extra = options.text ? ["prompt", "response"] : [];
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({ writer, schema: shardSchema(options.columns, extra), createdBy: "assay" });
  let rows = 0;
  let group: ExportRow[] = [];
  const flush = async (): Promise<void> => {
    if (group.length > 0) {
      const texts = options.text
        ? [
            { name: "prompt", data: group.map(({ prompt }) => prompt) },
            { name: "response", data: group.map(({ response }) => response) },
          ]
        : [];
      await parquet.write({
        columnData: [
          ...columnData(
            group.map(({ row }) => row),
            options.columns,
          ),
          ...texts,
        ],
        rowGroupSize: group.length,
      });
      rows += group.length;
      group = [];
    }
    await sink.write(writer.getBytes().slice());
    // the writer counts offsets apart from its buffer, which is free again
    writer.index = 0;
  };
  const most = options.text ? groupRows.text : groupRows.scores;
  for await (const chunk of chunks) {
    for (const row of chunk) {
      group.push(row);
      if (group.length >= most) await flush();
    }
  }
  await flush();
  await parquet.finish();
  await sink.write(writer.getBytes().slice());
  return rows;
}
