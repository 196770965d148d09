import { type BatchFile, isAssayError, isRunnable, successKey } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { listOpenBatches } from "./batch-index.ts";
import { readControl } from "./control-log.ts";
import { loadBatchIfPresent } from "./load-batch.ts";
import { unstagedRetryOf } from "./stage-retry.ts";

/**
 * Whether a worker for `model` may go home: every batch of the root that it could serve has _SUCCESS or is paused or
 * cancelled, as the store says. Never asked of the queue, whose counts a wipe sets to zero. A batch of
 * another generation, or whose batch.json is broken, is none that it could serve; nor are those of `except`.
 */
export async function isIdle(
  store: ObjectStore,
  model: string,
  only: string | null = null,
  except: Pick<ReadonlyMap<string, unknown>, "has"> = new Map(),
): Promise<boolean> {
  for (const batch of only === null ? await listOpenBatches(store) : [only]) {
    if (except.has(batch)) continue;
    const file = await ifReadable(loadBatchIfPresent(store, batch));
    // linked by somebody who was killed: a worker has to stage it
    if (file === null && (await ifReadable(unstagedRetryOf(store, batch)))?.model === model) return false;
    if (file === null || file.model !== model) continue;
    if ((await store.head(successKey(batch))) !== null) continue;
    const { state } = await readControl(store, batch);
    // complete without _SUCCESS: a finalizer was killed between the two, somebody has to carry on
    if (isRunnable(state) || state === "complete") return false;
  }
  return true;
}

async function ifReadable(loading: Promise<BatchFile | null>): Promise<BatchFile | null> {
  try {
    return await loading;
  } catch (error) {
    if (isAssayError(error, "E_BROKEN") || isAssayError(error, "E_USAGE")) return null;
    throw error;
  }
}
