import { type BatchFile, parentOfRetry, successKey, toAssayError } from "@assay/core";
import { indexDone, listOpenBatches } from "./batch-index.ts";
import { emptySpool } from "./empty-spool.ts";
import { loadBatchIfPresent } from "./load-batch.ts";
import { reconcileBatch } from "./reconcile-batch.ts";
import type { ServedBatches } from "./serve-batches.ts";
import { stageRetry, unstagedRetryOf } from "./stage-retry.ts";
import type { Worker } from "./worker-ports.ts";

/**
 * Brings queue and store together for all batches that a worker may serve: takes in what this host's disk kept, adds the
 * jobs that are missing, begins to finalize what is done, stages retries that a killed command left. False where the store or
 * Redis goes away in the middle, which is told as an event, and after a second; repeating is safe. Rejects with what
 * makes any work useless (E_DENIED).
 */
export async function reconcileRoot(worker: Worker, served: ServedBatches): Promise<boolean> {
  const { ports, options, intake } = worker;
  const { store, disk, clock } = ports;
  try {
    const checkpoints = disk === null ? 0 : await emptySpool(store, disk);
    if (checkpoints > 0) options.onEvent({ type: "unspooled", checkpoints });
    const open = options.only === null ? await listOpenBatches(store) : [options.only];
    // a batch that others ended leaves the index while chunks of it may still run here
    const batches = new Set([...open, ...served.running()]);
    served.forgetAllBut(batches);
    for (const batch of batches) {
      if (intake.aborted) return true;
      if (!served.isLeftAlone(batch)) await reconcile(worker, served, batch);
    }
    return true;
  } catch (error) {
    const known = toAssayError(error);
    // a drain while a retry is staged: the next worker carries it on
    if (known.code === "E_ABORTED") return true;
    if (known.class !== "infrastructure") throw error;
    options.onEvent({ type: "away", what: known.code === "E_REDIS_UNAVAILABLE" ? "redis" : "store", error: known });
    await clock.sleep(1_000, intake);
    return false;
  }
}

/** One batch that is broken, or of another generation, says nothing about the others. */
async function reconcile(worker: Worker, served: ServedBatches, batch: string): Promise<void> {
  const { store, queue } = worker.ports;
  try {
    const file = (await loadBatchIfPresent(store, batch)) ?? (await stageIfLinked(worker, batch));
    if (file === null || file.model !== worker.options.model) return;
    if ((await store.head(successKey(batch))) !== null) {
      // a finalizer was killed between the two: it would stand among the open ones for ever
      await indexDone(store, batch);
      return served.forget(batch);
    }
    // beside the intake, which may have rows of other batches to take
    if ((await reconcileBatch(store, queue, file)) === 0) void served.finalize(file);
  } catch (error) {
    const known = toAssayError(error);
    if (known.class === "infrastructure" || known.code === "E_DENIED") throw error;
    served.leaveAlone(batch, known);
  }
}

/** A retry whose linker was killed before its child was staged. */
async function stageIfLinked({ ports, options, intake }: Worker, batch: string): Promise<BatchFile | null> {
  const head = await unstagedRetryOf(ports.store, batch);
  const retry = parentOfRetry(batch)?.retry;
  if (head?.model !== options.model || retry === undefined) return null;
  return stageRetry(ports, head, retry, { software: options.software, signal: intake });
}
