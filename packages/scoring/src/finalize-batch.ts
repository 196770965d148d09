import {
  AssayError,
  type BatchFile,
  isAssayError,
  type ResultRow,
  type Status,
  sha256,
  shardKey,
  shardPrefix,
  successKey,
  summaryKey,
} from "@assay/core";
import type { DecodeShard } from "@assay/datasets";
import type { ObjectStore } from "@assay/store";
import { indexDone } from "./batch-index.ts";
import { appendControl } from "./control-log.ts";
import { readLedger } from "./read-ledger.ts";

/** summary.json: a pure function of plan and shards, so that whoever writes it writes the same bytes. */
export interface BatchSummary {
  batch: string;
  sha256: string;
  records: number;
  rows: number;
  status: { [status in Status]?: number };
  /** sums over rows that are ok, in row order */
  reward_sum: number;
  /** rows that are ok with a reward above 0 */
  yes: number;
  prompt_tokens: number;
  completion_tokens: number;
  simulated: boolean;
  shards: { chunk: number; rows: number; size: number; sha256: string }[];
  retries: string[];
  /** greatest scored_at of all rows */
  finished_at: string;
}

export type FinalizeResult = "finished" | "unfinished" | "cancelled";

/**
 * Ends a batch whose every chunk has its shard: appends `complete` to the control log, then puts summary.json, then
 * the empty _SUCCESS, then the index entry. Anybody may run it at any time, several at once included; a kill between
 * two of these steps is carried on by the next. A cancelled batch is left alone. Rejects with E_BROKEN, without
 * summary and _SUCCESS, when the shards are not the plan's rows.
 */
export async function finalizeBatch(
  ports: { store: ObjectStore; decodeShard: DecodeShard },
  file: BatchFile,
  author: { id: string; at: string; by: string },
): Promise<FinalizeResult> {
  const { store } = ports;
  if ((await store.head(successKey(file.batch))) !== null) {
    await indexDone(store, file.batch);
    return "finished";
  }
  const ledger = await readLedger(store, file);
  if (ledger.missing.length > 0) return "unfinished";
  const { control } = await appendControl(store, file.batch, { state: "complete" }, author);
  if (control.state === "cancelled") return "cancelled";
  const summary = await summariseBatch(ports, file);
  refuseGaps(file, summary);
  await store.putIfAbsent(summaryKey(file.batch), summaryBytes(summary));
  await store.putIfAbsent(successKey(file.batch), new Uint8Array());
  await indexDone(store, file.batch);
  return "finished";
}

/** The listing promised every shard: one that is gone now, or holds other rows, must not end in _SUCCESS (P1). */
function refuseGaps(file: BatchFile, summary: BatchSummary): void {
  if (summary.shards.length === file.chunks.length && summary.rows === file.counts.rows) return;
  throw new AssayError("E_BROKEN", "the shards do not hold the plan's rows", {
    where: shardPrefix(file.batch),
    expected: `${file.counts.rows} rows in ${file.chunks.length} shards`,
    got: `${summary.rows} rows in ${summary.shards.length} shards`,
  });
}

/** Shards read at once: hides a bucket's latency; 8 shards of 256 rows are a few MB. */
const readsAtOnce = 8;

export async function summariseBatch(
  ports: { store: ObjectStore; decodeShard: DecodeShard },
  file: BatchFile,
): Promise<BatchSummary> {
  const summary = emptySummary(file);
  for await (const { chunk, bytes, rows, metadata } of readShards(ports, file)) {
    addShard(summary, chunk, bytes, rows, metadata);
  }
  return summary;
}

export function emptySummary(file: BatchFile): BatchSummary {
  return {
    batch: file.batch,
    sha256: file.sha256,
    records: file.counts.records,
    rows: 0,
    status: {},
    reward_sum: 0,
    yes: 0,
    prompt_tokens: 0,
    completion_tokens: 0,
    simulated: false,
    shards: [],
    retries: [],
    finished_at: new Date(0).toISOString(),
  };
}

/** Adds one shard; the caller keeps chunk order. */
export function addShard(
  summary: BatchSummary,
  chunk: number,
  bytes: Uint8Array,
  rows: readonly ResultRow[],
  metadata: { readonly [key: string]: string },
): void {
  summary.shards.push({ chunk, rows: rows.length, size: bytes.length, sha256: sha256(bytes) });
  summary.simulated ||= metadata["assay.simulated"] === "true";
  let finishedAt = Date.parse(summary.finished_at);
  for (const row of rows) {
    addRow(summary, row);
    finishedAt = Math.max(finishedAt, row.scored_at);
  }
  summary.finished_at = new Date(finishedAt).toISOString();
}

export function summaryBytes(summary: BatchSummary): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(summary)}\n`);
}

/** The shards of a batch in chunk order, those that exist; a few are read ahead. E_BROKEN names the shard. */
export async function* readShards(
  ports: { store: ObjectStore; decodeShard: DecodeShard },
  file: BatchFile,
  chunks: readonly number[] = [...file.chunks.keys()],
): AsyncGenerator<{
  chunk: number;
  bytes: Uint8Array;
  rows: ResultRow[];
  metadata: { readonly [key: string]: string };
}> {
  const ahead: Promise<Uint8Array | null>[] = [];
  let next = 0;
  const fetchNext = (): void => {
    const chunk = chunks[next++];
    if (chunk === undefined) return;
    const fetched = ports.store.get(shardKey(file.batch, chunk));
    fetched.catch(() => {});
    ahead.push(fetched);
  };
  while (ahead.length < readsAtOnce && next < chunks.length) fetchNext();
  for (const chunk of chunks) {
    const bytes = await ahead.shift();
    fetchNext();
    if (bytes === null || bytes === undefined) continue;
    const { rows, metadata } = await ports.decodeShard(bytes).catch((error: unknown) => {
      throw brokenShard(error, `${ports.store.uri}/${shardKey(file.batch, chunk)}`, file.batch);
    });
    yield { chunk, bytes, rows, metadata };
  }
}

/** The decoder sees bytes and knows no name. */
function brokenShard(error: unknown, where: string, batch: string): unknown {
  if (!isAssayError(error, "E_BROKEN")) return error;
  const { message, expected, got } = error;
  return new AssayError("E_BROKEN", message, {
    where,
    ...(expected === undefined ? {} : { expected }),
    ...(got === undefined ? {} : { got }),
    next: `assay verify ${batch}`,
    cause: error,
  });
}

function addRow(summary: BatchSummary, row: ResultRow): void {
  summary.rows += 1;
  summary.status[row.status] = (summary.status[row.status] ?? 0) + 1;
  if (row.reward !== null) {
    summary.reward_sum += row.reward;
    if (row.reward > 0) summary.yes += 1;
  }
  summary.prompt_tokens += row.prompt_tokens ?? 0;
  summary.completion_tokens += row.completion_tokens ?? 0;
}
