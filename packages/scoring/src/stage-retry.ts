import {
  AssayError,
  type BatchFile,
  batchKey,
  batchSha256,
  type ChunkPlan,
  createChunker,
  formatVersion,
  isBadLine,
  narrowLine,
  parentOfRetry,
  pinBytes,
  pinKey,
  type RetryLink,
  type RowsLine,
  retryKey,
  retryName,
  retrySettings,
  rowsKey,
} from "@assay/core";
import type { DecodeShard } from "@assay/datasets";
import type { ObjectStore } from "@assay/store";
import { readFamilyRows } from "./family-rows.ts";
import { zip } from "./gzip.ts";
import { loadBatch, loadBatchIfPresent } from "./load-batch.ts";
import { readPin } from "./pin-batch.ts";
import { type Family, readFamily } from "./read-family.ts";
import { readRows } from "./read-rows.ts";
import { throwIfAborted } from "./wait-for-store.ts";

export interface RetryPorts {
  readonly store: ObjectStore;
  readonly decodeShard: DecodeShard;
}

/**
 * Makes the child batch of a linked retry exist. Its rows are a pure function of the store, which no longer changes
 * where they come from, so anybody may do it, several at once included, and a kill is carried on by the next. The
 * child gets the batch's pin: its rewards stand beside the batch's. batch.json is put last. Memory: a few chunks.
 * Rejects with E_NOT_FINISHED when the batch or an earlier retry is not complete.
 */
export async function stageRetry(
  ports: RetryPorts,
  head: BatchFile,
  n: number,
  options: { software: string; signal: AbortSignal; onProgress?: (rows: number) => void },
): Promise<BatchFile> {
  const { store } = ports;
  const name = retryName(head.batch, n);
  const existing = await loadBatchIfPresent(store, name);
  if (existing !== null) return existing;
  const family = await readFamily(store, head);
  const link = family.retries[n - 1]?.link;
  if (link === undefined) throw new AssayError("E_NO_SUCH_BATCH", "no such retry", { where: retryKey(head.batch, n) });
  const file = await planRetry(ports, earlierThan(family, n), link, {
    ...options,
    onChunk: async (chunk, bytes) => {
      await store.putIfAbsent(rowsKey(name, chunk), await zip(bytes));
    },
  });
  const pin = await readPin(store, head.batch);
  if (pin !== null) await store.putIfAbsent(pinKey(name), pinBytes(pin));
  await store.putIfAbsent(batchKey(name), new TextEncoder().encode(JSON.stringify(file)));
  return loadBatch(store, name);
}

/**
 * batch.json of the retry that follows a family under this link. Hands over the bytes of each chunk as it is made.
 * Rejects with E_BROKEN when the link names no row: nobody links such a retry.
 */
export async function planRetry(
  ports: RetryPorts,
  family: Family,
  link: RetryLink,
  options: {
    software: string;
    signal: AbortSignal;
    onChunk?: (chunk: number, bytes: Uint8Array) => Promise<void>;
    onProgress?: (rows: number) => void;
  },
): Promise<BatchFile> {
  const { head } = family;
  const retry = family.retries.length + 1;
  refuseOtherFormat(head, link);
  const chunker = createChunker();
  const chunks: ChunkPlan[] = [];
  const counts = { records: 0, responses: 0, rows: 0, bad: 0, equal_ids: 0 };
  let record = "";
  const take = async (closed: ReturnType<typeof chunker.end>): Promise<void> => {
    for (const { chunk, bytes, sha256, rows, rowStart } of closed) {
      throwIfAborted(options.signal);
      await options.onChunk?.(chunk, bytes);
      chunks.push({ sha256, rows, row_start: rowStart });
      counts.rows += rows;
      options.onProgress?.(counts.rows);
    }
  };
  for await (const line of retryLines(ports, family, link)) {
    counts.responses += 1;
    const own = `${line.input}\n${line.input_line}`;
    if (own !== record) counts.records += 1;
    record = own;
    await take(chunker.push(line));
  }
  await take(chunker.end());
  if (chunks.length === 0) {
    throw new AssayError("E_BROKEN", "a retry that names no row", { where: retryKey(head.batch, retry) });
  }
  const settings = retrySettings(head, link);
  const sha256 = batchSha256(
    settings,
    chunks.map((chunk) => chunk.sha256),
  );
  const parent = { batch: head.batch, retry };
  return {
    ...settings,
    batch: retryName(head.batch, retry),
    sha256,
    chunks,
    counts,
    parent,
    software: options.software,
  };
}

/** The lines of rows/ that a retry asks again: a batch's own, with the rows that came to a wanted status. */
export async function* retryLines(
  ports: RetryPorts,
  family: Family,
  link: Pick<RetryLink, "filter">,
): AsyncGenerator<RowsLine> {
  for (const { name, complete } of family.retries) if (!complete) throw notComplete(name);
  const statuses = new Set(link.filter.status);
  for await (const { chunk, rows } of readFamilyRows(ports, family)) {
    const again = new Set(rows.filter(({ status }) => statuses.has(status)).map(({ row_index }) => row_index));
    if (again.size === 0) continue;
    for (const line of await readRows(ports.store, family.head, chunk)) {
      const narrow = isBadLine(line) ? null : narrowLine(line, (rowIndex) => again.has(rowIndex));
      if (narrow !== null) yield narrow;
    }
  }
}

/** The family before its n-th retry. */
export function earlierThan(family: Family, n: number): Family {
  return { head: family.head, retries: family.retries.slice(0, n - 1) };
}

/**
 * The batch whose linked retry has this name and no batch.json yet: whoever linked it was killed, and somebody has to
 * stage it. Null for every other name.
 */
export async function unstagedRetryOf(store: ObjectStore, name: string): Promise<BatchFile | null> {
  const parent = parentOfRetry(name);
  if (parent === null || (await store.head(retryKey(parent.batch, parent.retry))) === null) return null;
  return loadBatchIfPresent(store, parent.batch);
}

function refuseOtherFormat(head: BatchFile, link: RetryLink): void {
  if (link.format === formatVersion) return;
  throw new AssayError("E_USAGE", "this retry was begun by another generation of Assay", {
    where: head.batch,
    expected: `format ${formatVersion}`,
    got: `format ${link.format}`,
    next: "finish it with the version of Assay that began it",
  });
}

export function notComplete(batch: string): AssayError {
  return new AssayError("E_NOT_FINISHED", "a batch that is not complete cannot be followed by a retry", {
    where: batch,
    next: `assay status ${batch}`,
  });
}
