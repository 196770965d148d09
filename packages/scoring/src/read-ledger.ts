import { type BatchFile, chunkOfShardKey, shardKey, shardPrefix } from "@assay/core";
import type { ObjectStore } from "@assay/store";

/** What a listing of the store says about a batch: which chunks have their shard. */
export interface Ledger {
  /** one bit of truth per chunk: 1 when the shard exists */
  readonly done: Uint8Array;
  readonly doneChunks: number;
  readonly doneRows: number;
  /** chunk numbers without a shard, ascending */
  readonly missing: readonly number[];
}

/** One LIST, 1,000 chunks a page. Keys that are no shard of the plan are left to `verify`. */
export async function readLedger(store: ObjectStore, file: BatchFile): Promise<Ledger> {
  const done = new Uint8Array(file.chunks.length);
  for await (const { key } of store.list(shardPrefix(file.batch))) {
    const chunk = chunkOfShardKey(key);
    if (chunk !== null && chunk < done.length && key === shardKey(file.batch, chunk)) done[chunk] = 1;
  }
  const missing: number[] = [];
  let doneRows = 0;
  for (const [chunk, plan] of file.chunks.entries()) {
    if (done[chunk] === 1) doneRows += plan.rows;
    else missing.push(chunk);
  }
  return { done, doneChunks: file.chunks.length - missing.length, doneRows, missing };
}
