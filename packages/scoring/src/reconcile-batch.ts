import { type BatchFile, chunksInOrder, isRunnable, partialPrefix, readPartialKey } from "@assay/core";
import type { Job, JobQueue } from "@assay/queue";
import type { ObjectStore } from "@assay/store";
import { readControl } from "./control-log.ts";
import { readLedger } from "./read-ledger.ts";

/**
 * Chunks of one batch that may stand in the queue at once: more than any fleet takes within a reconcile round, and
 * 2 to 3 MB of Redis. Cancel and pause stay cheap and 100M rows need no more memory than 1M.
 */
export const windowChunks = 5_000;

/**
 * The one function behind submit, resume and "Redis was wiped": plan minus shards = jobs to have. Adds the jobs of
 * missing chunks that are in no list of the queue, in the batch's own order, a job in limbo being removed first
 *, and chunks that nobody has begun first. Idempotent; anybody may run it at any time, several at once
 * included. Adds nothing for a batch that is paused or ended, and nothing by a weight that was changed meanwhile.
 * Returns the number of missing chunks, 0 when the batch is ready to be finalized. `nothingWaits`: of its jobs the queue
 * has none but those in somebody's hands.
 */
export async function reconcileBatch(
  store: ObjectStore,
  queue: JobQueue,
  file: BatchFile,
  nothingWaits = false,
): Promise<number> {
  const control = await readControl(store, file.batch);
  const { done, missing } = await readLedger(store, file);
  if (!isRunnable(control.state)) return missing.length;
  const next = chunksInOrder(file).filter((chunk) => done[chunk] !== 1);
  const wanted = Array.from(next.subarray(0, windowChunks), (chunk): Job => ({ batch: file.batch, chunk }));
  const absent = await freshFirst(store, wanted, await queue.missing(wanted));
  if (absent.length > 0) {
    await queue.remove(absent);
    const start = await queue.virtualTime();
    // behind the batch's own jobs that wait: at the present time they would give it a second share
    const waiting = nothingWaits ? 0 : wanted.length - absent.length;
    await queue.add(absent.map((job, k) => ({ ...job, priority: priorityOf(start, waiting + k, control.weight) })));
    const now = await readControl(store, file.batch);
    // whoever changed it may have been through the queue before these jobs came, and looks no more
    if (now.weight !== control.weight || !isRunnable(now.state)) {
      await queue.remove(absent);
      return reconcileBatch(store, queue, file, nothingWaits);
    }
  }
  return missing.length;
}

/**
 * The jobs that the queue has lost, those first that nobody has begun: after a wipe the others may still be in the
 * hands of workers that go on, and idle engines are to take fresh chunks. As long as the head of the line
 * is known to the queue nothing was lost, and partial/, which is long in a large batch, is not listed.
 */
async function freshFirst(store: ObjectStore, wanted: readonly Job[], absent: readonly Job[]): Promise<Job[]> {
  const [head] = wanted;
  if (head === undefined || !absent.some(({ chunk }) => chunk === head.chunk)) return [...absent];
  const begun = new Set<number>();
  for await (const { key } of store.list(partialPrefix(head.batch))) {
    const file = readPartialKey(key);
    if (file?.kind === "start") begun.add(file.chunk);
  }
  return [...absent.filter(({ chunk }) => !begun.has(chunk)), ...absent.filter(({ chunk }) => begun.has(chunk))];
}

/** Longer than it takes; who dies over it is followed by the next who asks. */
const weighsForMs = 60_000;
/** Long enough for every worker of a fleet to hear that it is done. */
const weighedForMs = 86_400_000;

/**
 * Puts the waiting jobs of a batch where its present weight wants them: takes them out and reconciles. Everybody who
 * sees the entry `n` of the control log may call it; one of them does it. True once it is done, whoever did it; false
 * while somebody may be at it: ask again. A job in somebody's hands stays his.
 */
export async function reweighBatch(store: ObjectStore, queue: JobQueue, file: BatchFile, n: number): Promise<boolean> {
  if (!(await queue.courtesy(`weigh-${file.batch}-${n}`, weighsForMs))) return false;
  const weighed = `weighed-${file.batch}-${n}`;
  if (!(await queue.courtesy(weighed, 0))) return true;
  const { missing } = await readLedger(store, file);
  await queue.remove(missing.map((chunk) => ({ batch: file.batch, chunk })));
  // chunks in hand have had their turn: behind them a fleet's would wait while others take as many
  await reconcileBatch(store, queue, file, true);
  await queue.courtesy(weighed, weighedForMs);
  return true;
}

/** BullMQ's highest priority number: beyond it a job would be refused. */
const maxPriority = 2_097_151;

/**
 * Fairness between batches in one queue by virtual time (measured 1:1:2): chunk k of a batch of weight
 * w stands at the queue's present time + ceil((k + 1) / w). When the scale runs out all wait at its end, in order.
 */
export function priorityOf(virtualTime: number, k: number, weight: number): number {
  return Math.min(Math.max(1, virtualTime + Math.ceil((k + 1) / weight)), maxPriority);
}

/** Takes the waiting jobs of a batch out of the queue after cancel or pause; running chunks hear of it by a nudge. */
export async function withdrawBatch(store: ObjectStore, queue: JobQueue, file: BatchFile): Promise<void> {
  const { missing } = await readLedger(store, file);
  await queue.remove(missing.map((chunk) => ({ batch: file.batch, chunk })));
  await queue.nudge(file.batch);
}
