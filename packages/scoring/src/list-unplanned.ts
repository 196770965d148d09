import { batchKey, controlPrefix, shardPrefix } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { unstagedRetryOf } from "./stage-retry.ts";

/** A folder of a root that no batch.json makes a batch: a submit that was killed, that is under way, or that lost it. */
export interface UnplannedFolder {
  readonly folder: string;
  readonly objects: number;
  readonly bytes: number;
  /** rewards or control entries lie in it, which a batch has whose batch.json was put: it is gone */
  readonly lostPlan: boolean;
  /** epoch milliseconds of the newest object; null where the store does not tell */
  readonly modified: number | null;
}

/** By name. Two small requests a batch, and a LIST of each folder that is none. A retry that waits to be staged is no such folder. */
export async function* listUnplanned(store: ObjectStore): AsyncGenerator<UnplannedFolder> {
  let after = "";
  for (;;) {
    const first = await firstKey(store, after);
    if (first === null) return;
    const [folder = "", ...below] = first.split("/");
    // "0" is the character behind "/": the next key that is not in this folder
    after = below.length === 0 ? first : `${folder}0`;
    if (below.length === 0 || folder.startsWith("_")) continue;
    if ((await store.head(batchKey(folder))) !== null || (await unstagedRetryOf(store, folder)) !== null) continue;
    yield await measure(store, folder);
  }
}

async function firstKey(store: ObjectStore, after: string): Promise<string | null> {
  for await (const { key } of store.list("", { limit: 1, ...(after === "" ? {} : { after }) })) return key;
  return null;
}

async function measure(store: ObjectStore, folder: string): Promise<UnplannedFolder> {
  let objects = 0;
  let bytes = 0;
  let lostPlan = false;
  let newest: number | null = null;
  for await (const { key, size, modified } of store.list(`${folder}/`)) {
    objects += 1;
    bytes += size;
    lostPlan ||= key.startsWith(shardPrefix(folder)) || key.startsWith(controlPrefix(folder));
    if (modified !== undefined) newest = Math.max(newest ?? modified, modified);
  }
  return { folder, objects, bytes, lostPlan, modified: newest };
}
