import { batchKey, readPartialKey, shardKey } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { listSpool } from "./spool.ts";

/**
 * Puts checkpoints that processes of this host left on `disk`, when the store was away at their end, where they belong,
 * and takes them off the disk; those of chunks that have their shard by now, or of batches that are gone, are dropped.
 * Returns how many it put. A disk that does not answer counts as empty. Rejects as the store does, with the rest still
 * on the disk; repeating is safe, also beside processes that still work.
 */
export async function emptySpool(store: ObjectStore, disk: ObjectStore): Promise<number> {
  let put = 0;
  for (const key of await keysOf(disk)) {
    const bytes = await disk.get(key).catch(() => null);
    if (bytes === null) continue;
    if (await isWanted(store, key)) {
      await store.putIfAbsent(key, bytes);
      put += 1;
    }
    await disk.remove(key).catch(() => {});
  }
  return put;
}

async function keysOf(disk: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  try {
    for await (const key of listSpool(disk)) keys.push(key);
  } catch {
    // no disk, no checkpoints
  }
  return keys;
}

/** A checkpoint outside a batch would make a folder that no batch is in. */
async function isWanted(store: ObjectStore, key: string): Promise<boolean> {
  const batch = key.slice(0, key.indexOf("/"));
  const chunk = readPartialKey(key)?.chunk ?? 0;
  return (await store.head(batchKey(batch))) !== null && (await store.head(shardKey(batch, chunk))) === null;
}
