import {
  type BatchFile,
  chunkPartialPrefix,
  decodeCheckpoint,
  isBadLine,
  isEngineSide,
  type PartialFile,
  type Pin,
  pinSha256,
  type ResultRow,
  type RowsLine,
  readPartialKey,
  settledKey,
} from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { checkRows } from "./check-rows.ts";
import { unzip } from "./gzip.ts";

/** What earlier attempts at a chunk left below partial/. */
export interface PartialChunk {
  /** one result per row that has any and is not to be asked again, by row_index */
  readonly rows: ReadonlyMap<number, ResultRow>;
  /** checkpoints that are torn, foreign or of another pin, or hold a row that is not the chunk's: nothing of them counts */
  readonly ignored: number;
  /** checkpoints and markers, in key order */
  readonly files: readonly PartialFile[];
  /** rows of attempts that saved a result of them, whatever it was, as `settledKey` writes them */
  readonly settled: ReadonlySet<string>;
}

/** The markers and checkpoints of a chunk, in key order. One LIST. */
export async function listPartial(
  store: ObjectStore,
  batch: string,
  chunk: number,
): Promise<(PartialFile & { key: string })[]> {
  const files: (PartialFile & { key: string })[] = [];
  for await (const { key } of store.list(chunkPartialPrefix(batch, chunk))) {
    const file = readPartialKey(key);
    if (file !== null) files.push({ ...file, key });
  }
  return files;
}

/**
 * Reads the checkpoints of a chunk whose `lines` are given. Of several results of one row the first in key order is
 * taken: any would do (protocol Q6). Memory: the chunk's results, once per checkpoint that holds them.
 */
export async function readPartial(
  store: ObjectStore,
  file: BatchFile,
  pin: Pin,
  chunk: number,
  lines: readonly RowsLine[],
): Promise<PartialChunk> {
  const files = await listPartial(store, file.batch, chunk);
  const held = files.filter(({ kind }) => kind === "rows");
  const expected = { batch_sha256: file.sha256, format: file.format, pin_sha256: pinSha256(pin) };
  const asked = linesByRow(lines);
  const isOfChunk = (row: ResultRow): boolean => {
    const line = asked.get(row.row_index);
    return line !== undefined && checkRows(file, [line], [row]) === null;
  };
  const checkpoints = await Promise.all(
    held.map(async ({ key, attempt }) => {
      const zipped = await store.get(key);
      const bytes = zipped === null ? null : await unzip(zipped).catch(() => null);
      const rows = bytes === null ? null : decodeCheckpoint(bytes, expected);
      return rows?.every(isOfChunk) === true ? { attempt, rows } : null;
    }),
  );
  const rows = new Map<number, ResultRow>();
  const settled = new Set<string>();
  for (const checkpoint of checkpoints) {
    for (const row of checkpoint?.rows ?? []) {
      settled.add(settledKey(checkpoint?.attempt ?? "", row.row_index));
      // what an engine did to a lone row is saved only so that it is no death
      if (!isEngineSide(row.status) && !rows.has(row.row_index)) rows.set(row.row_index, row);
    }
  }
  return { rows, ignored: checkpoints.filter((checkpoint) => checkpoint === null).length, files, settled };
}

/** Each row as a line of its own. */
function linesByRow(lines: readonly RowsLine[]): Map<number, RowsLine> {
  return new Map(
    lines.flatMap((line): [number, RowsLine][] =>
      isBadLine(line)
        ? [[line.row_index, line]]
        : line.principles.map((principle) => [principle.row_index, { ...line, principles: [principle] }]),
    ),
  );
}
