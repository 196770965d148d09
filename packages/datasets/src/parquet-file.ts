import { columnData } from "./encode-shard.ts";
import { type ByteSink, type ExportOptions, type ExportRow, rewardOf } from "./export-row.ts";
import { parquetSink } from "./parquet-sink.ts";
import { shardSchema } from "./shard-schema.ts";

/** Rows of a Parquet group: scores alone are small; texts are held in memory until their group is full. */
const groupRows = { scores: 10_000, text: 1_000 } as const;

/** Characters of a group's longer texts, whichever comes first: whole reasonings, kept by `--keep-reasoning all`, are as long as prompts. */
const groupChars = 64 * 1024 * 1024;

/** A Parquet file of result rows that grows by row groups. */
export interface ParquetFile {
  /** Bytes handed to the sink so far. */
  readonly bytes: number;
  /** Whether no row waits for its group to fill: a good place to end the file. */
  readonly isAtGroup: boolean;
  add(row: ExportRow): Promise<void>;
  /** Writes the last group and the footer. Resolves with the number of rows. */
  close(): Promise<number>;
}

/** The shard's columns with the shard's types, then prompt and response where asked for. Memory: one row group. */
export function openParquetFile(options: Pick<ExportOptions, "text" | "columns">, sink: ByteSink): ParquetFile {
  const extra = options.text ? ["prompt", "response"] : [];
  const parquet = parquetSink(shardSchema(options.columns, extra), sink);
  const most = options.text ? groupRows.text : groupRows.scores;
  let rows = 0;
  let group: ExportRow[] = [];
  let chars = 0;

  return {
    get bytes() {
      return parquet.bytes;
    },
    get isAtGroup() {
      return group.length === 0;
    },
    async add(row) {
      group.push(row);
      chars += charsOf(row);
      if (group.length >= most || chars >= groupChars) await flush();
    },
    async close() {
      await flush();
      await parquet.finish();
      return rows;
    },
  };

  async function flush(): Promise<void> {
    if (group.length === 0) return;
    const texts = options.text
      ? [
          { name: "prompt", data: group.map(({ prompt }) => prompt) },
          { name: "response", data: group.map(({ response }) => response) },
        ]
      : [];
    const scores = columnData(
      group.map(({ row }) => row),
      options.columns,
    ).map((column) => (column.name === "reward" ? { ...column, data: group.map(rewardOf) } : column));
    const { length } = group;
    rows += length;
    group = [];
    chars = 0;
    await parquet.writeGroup([...scores, ...texts], length);
  }
}

function charsOf({ row, prompt, response }: ExportRow): number {
  return [prompt, response, row.reasoning, row.carried, ...Object.values(row.columns)].reduce<number>(
    (sum, cell) => sum + (typeof cell === "string" ? cell.length : 0),
    0,
  );
}
