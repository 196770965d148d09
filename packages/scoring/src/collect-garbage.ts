import { type BatchFile, isAssayError, partialPrefix } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { listBatches } from "./batch-index.ts";
import { loadBatchIfPresent } from "./load-batch.ts";
import { readLedger } from "./read-ledger.ts";

/** Checkpoints and markers of one batch that nobody needs any more. */
export interface BatchGarbage {
  readonly batch: string;
  readonly keys: readonly string[];
  readonly bytes: number;
}

/**
 * What is left below partial/ of chunks whose shard exists, batch by batch; batches without any are left out. A shard
 * never vanishes, so what is garbage once stays garbage. Folders without a batch.json that can be read are not looked
 * into. Memory: the keys of one batch.
 */
export async function* findGarbage(store: ObjectStore): AsyncGenerator<BatchGarbage> {
  for await (const batch of listBatches(store)) {
    const file = await readable(store, batch);
    if (file === null) continue;
    // the shards first: a checkpoint that comes later belongs to an attempt that has lost its race
    const { done } = await readLedger(store, file);
    const keys: string[] = [];
    let bytes = 0;
    for await (const { key, size } of store.list(partialPrefix(batch))) {
      const chunk = /^\d{6}(?=\/)/.exec(key.slice(partialPrefix(batch).length))?.[0];
      if (chunk === undefined || done[Number(chunk)] !== 1) continue;
      keys.push(key);
      bytes += size;
    }
    if (keys.length > 0) yield { batch, keys, bytes };
  }
}

/** Requests at once: hides a bucket's latency. */
const removalsAtOnce = 8;

/** Removes what findGarbage found. The store refuses every key that is not below partial/. Repeating is safe. */
export async function removeGarbage(store: ObjectStore, { keys }: BatchGarbage): Promise<void> {
  for (let from = 0; from < keys.length; from += removalsAtOnce) {
    await Promise.all(keys.slice(from, from + removalsAtOnce).map((key) => store.remove(key)));
  }
}

async function readable(store: ObjectStore, batch: string): Promise<BatchFile | null> {
  try {
    return await loadBatchIfPresent(store, batch);
  } catch (error) {
    if (isAssayError(error, "E_BROKEN") || isAssayError(error, "E_USAGE")) return null;
    throw error;
  }
}
