import { type AssayError, toAssayError } from "@assay/core";
import type { EnginePool } from "@assay/engine";
import type { LeasedJob } from "@assay/queue";
import type { BatchContext } from "./batch-context.ts";
import type { ChunkOutcome, ChunkPorts } from "./chunk-ports.ts";
import type { HeldLeases } from "./held-leases.ts";
import { scoreChunk } from "./score-chunk.ts";
import { awayPauseMs, type ServedBatches } from "./serve-batches.ts";
import { waitForStore } from "./wait-for-store.ts";
import type { Worker } from "./worker-ports.ts";

/** What the chunks of a worker share. */
export type Held = Pick<ChunkPorts, "spool" | "memory" | "ahead"> & { readonly leases: HeldLeases };

const hasShard: ReadonlySet<ChunkOutcome["kind"]> = new Set(["committed", "lost-race", "exists"]);
/** After a job that is not for this worker: its jobs must not spin. */
const putBackPauseMs = 250;

/** Rows ahead that the slots need while the next ones are on their way: all slots, or those of engines open to a batch. */
export function enoughAhead(pool: Pick<EnginePool, "capacity" | "capacityFor">, batch?: string): number {
  const slots = batch === undefined ? pool.capacity : pool.capacityFor(batch);
  return Math.max(1, Math.ceil(slots / 2));
}

/**
 * Opens the batch of a leased chunk and sets the chunk going, its rows counted as ahead; resolves with the rest of the
 * work, which ends the lease and never rejects, or with null when the lease was ended at once, or is one more of a chunk
 * that runs here.
 */
export async function runChunk(
  worker: Worker,
  served: ServedBatches,
  held: Held,
  leased: LeasedJob,
): Promise<{ readonly ended: Promise<void> } | null> {
  const { options, intake, ports } = worker;
  const { batch, chunk } = leased.job;
  if (held.leases.adopt(leased)) return null;
  if (served.isUnprobed(batch)) {
    await putToTheBack(worker, leased, awayPause(served));
    return null;
  }
  if ((options.only !== null && batch !== options.only) || served.isLeftAlone(batch)) {
    await putToTheBack(worker, leased);
    return null;
  }
  let context: BatchContext;
  try {
    const wait = { clock: ports.clock, signal: intake, onAway: onStoreAway(worker) };
    context = await waitForStore(() => served.open(batch), wait);
  } catch (error) {
    await refuse(worker, served, leased, toAssayError(error));
    return null;
  }
  // its engines have what they need: its rows in line would keep the others from those that they take
  if (ports.pool.capacityFor(batch) < ports.pool.capacity && held.ahead.of(batch) >= enoughAhead(ports.pool, batch)) {
    await putToTheBack(worker, leased);
    return null;
  }
  const { samples, chunks } = context.file;
  const planned = chunks[chunk];
  if (intake.aborted || planned === undefined) {
    await (intake.aborted ? leased.handBack() : leased.done());
    return null;
  }
  const lined = held.ahead.fetch(batch, planned.rows * samples);
  const lease = held.leases.hold(leased);
  const ended = score(worker, served, held, lease, context, lined)
    // nobody looks at it before the worker's end
    .catch((error: unknown) => worker.fail(toAssayError(error)))
    .finally(() => {
      lined();
      lease.letGo();
    });
  return { ended };
}

async function score(
  worker: Worker,
  served: ServedBatches,
  { spool, memory, ahead }: Held,
  leased: LeasedJob,
  context: BatchContext,
  lined: () => void,
): Promise<void> {
  const { ports, options, giveBack } = worker;
  const { batch, chunk } = leased.job;
  const startedAt = ports.clock.now();
  const run = served.run(batch);
  try {
    const outcome = await scoreChunk({ ...ports, spool, memory, ahead }, context, chunk, {
      drain: options.drain,
      signal: AbortSignal.any([giveBack, run.stopped]),
      abort: options.abort,
      software: options.software,
      onLined: lined,
      onAway: onStoreAway(worker),
      onSpooled: (rows) => options.onEvent({ type: "spooled", batch, chunk, rows }),
      onRefused: (listener) => leased.onRefused(listener),
    });
    options.onEvent({ type: "chunk", batch, chunk, outcome, ms: ports.clock.now() - startedAt });
    if (outcome.kind === "failed-as-a-whole") await served.pause(batch, outcome.reason);
    await leased.done();
    if (hasShard.has(outcome.kind)) await served.noteDone(context, chunk);
  } catch (error) {
    await endOfChunk(worker, served, leased, toAssayError(error), run.stopped);
  } finally {
    run.end();
  }
}

async function endOfChunk(
  { options, giveBack, fail }: Worker,
  served: ServedBatches,
  leased: LeasedJob,
  error: AssayError,
  stopped: AbortSignal,
): Promise<void> {
  const { batch } = leased.job;
  const fenced = error.code === "E_ENGINES_FENCED";
  if (giveBack.aborted) return leased.handBack();
  // the pause that stopped it may be over by now: no second one for the same fences
  if ((error.code === "E_ABORTED" || fenced) && stopped.aborted) return leased.done();
  if (error.class === "infrastructure") return leased.handBack();
  try {
    const where = error.where === undefined ? "" : ` (${error.where})`;
    // a fault of ours or of the store's contents, too: going on would repeat it all night
    await served.pause(batch, fenced ? error.message : `${error.code}: ${error.message}${where}`);
  } catch (cause) {
    const known = toAssayError(cause);
    if (!giveBack.aborted && known.class === "broken") {
      // a control log that nobody can read says nothing about the other batches
      served.leaveAlone(batch, known);
      return leased.done();
    }
    await leased.handBack();
    if (giveBack.aborted) return;
    throw cause;
  }
  if (!fenced) {
    options.onEvent({ type: "refused", batch, error });
    if (options.only === batch) fail(error);
  }
  return leased.done();
}

/** A batch that cannot be opened. */
async function refuse(worker: Worker, served: ServedBatches, leased: LeasedJob, error: AssayError): Promise<void> {
  const { options, intake } = worker;
  if (intake.aborted) return leased.handBack();
  if (error.code === "E_NO_SUCH_BATCH") return leased.done();
  if (error.class === "infrastructure") {
    options.onEvent({ type: "away", what: "engine", error });
    // batches that are open may have engines all the same
    return putToTheBack(worker, leased, awayPause(served));
  }
  served.leaveAlone(leased.job.batch, error);
  await putToTheBack(worker, leased);
}

/** Where nothing else runs nobody is held up. */
function awayPause(served: ServedBatches): number {
  return served.running().length === 0 ? awayPauseMs : putBackPauseMs;
}

/**
 * Not for this worker: the job goes behind all others, and no further, since the scale of priorities ends. Handing it
 * back would put it at the head of the line, where this worker would meet it again at once.
 */
async function putToTheBack(
  { ports, intake }: Worker,
  leased: LeasedJob,
  pauseMs: number = putBackPauseMs,
): Promise<void> {
  const { queue, clock } = ports;
  await leased.done();
  const last = await queue.lastPriority().catch(() => 0);
  await queue.add([{ ...leased.job, priority: Math.max(1, last) }]).catch(() => {});
  await clock.sleep(pauseMs, intake);
}

function onStoreAway({ options }: Worker): (error: AssayError) => void {
  return (error) => options.onEvent({ type: "away", what: "store", error });
}
