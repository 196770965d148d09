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

/** What stands in a chunk's partial/, as it stands there. */
export interface FetchedPartial {
  /** in key order */
  readonly files: readonly PartialFile[];
  /** unpacked, in key order; null = torn, or gone since it was listed */
  readonly checkpoints: readonly { readonly attempt: string; readonly bytes: Uint8Array | null }[];
}

/** One LIST, then all checkpoints at once. Memory: these. */
export async function fetchPartial(store: ObjectStore, batch: string, chunk: number): Promise<FetchedPartial> {
  const files = await listPartial(store, batch, chunk);
  const held = files.filter(({ kind }) => kind === "rows");
  const checkpoints = await Promise.all(
    held.map(async ({ key, attempt }) => {
      const zipped = await store.get(key);
      return { attempt, bytes: zipped === null ? null : await unzip(zipped).catch(() => null) };
    }),
  );
  return { files, checkpoints };
}

/**
 * Reads the checkpoints of the chunk that asks `lines`. Of several results of one row the first in key order is taken:
 * any would do. Pure. Memory: the chunk's results, once per checkpoint that holds them.
 */
export function readPartial(
  { files, checkpoints }: FetchedPartial,
  file: BatchFile,
  pin: Pin,
  lines: readonly RowsLine[],
): PartialChunk {
  const expected = { batch_sha256: file.sha256, format: file.format, pin_sha256: pinSha256(pin) };
  const asked = linesByRow(lines);
  const isOfChunk = (row: ResultRow): boolean => {
    const line = asked.get(row.row_index);
    return line !== undefined && checkRows(file, [line], [row]) === null;
  };
  const rows = new Map<number, ResultRow>();
  const settled = new Set<string>();
  let ignored = 0;
  for (const { attempt, bytes } of checkpoints) {
    const held = bytes === null ? null : decodeCheckpoint(bytes, expected);
    if (held?.every(isOfChunk) !== true) {
      ignored += 1;
      continue;
    }
    for (const row of held) {
      settled.add(settledKey(attempt, row.row_index));
      // what an engine did to a lone row is saved only so that it is no death
      if (!isEngineSide(row.status) && !rows.has(row.row_index)) rows.set(row.row_index, row);
    }
  }
  return { rows, ignored, files, settled };
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
