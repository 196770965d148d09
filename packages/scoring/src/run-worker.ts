import { type AssayError, toAssayError } from "@assay/core";
import type { LeasedJob } from "@assay/queue";
import { openHeldLeases } from "./held-leases.ts";
import { isIdle } from "./is-idle.ts";
import { reconcileRoot } from "./reconcile-root.ts";
import { openRowMemory } from "./row-memory.ts";
import { openRowsAhead } from "./rows-ahead.ts";
import { enoughAhead, runChunk } from "./run-chunk.ts";
import { serveBatches } from "./serve-batches.ts";
import { openSpool } from "./spool.ts";
import { type Seen, tellState } from "./tell-state.ts";
import { untilAborted, waitForStore } from "./wait-for-store.ts";
import { type Away, watchStore } from "./watch-store.ts";
import type { Worker, WorkerOptions, WorkerPorts } from "./worker-ports.ts";

/** Reconcile rounds of one root and model, over all its workers: often enough that a wiped Redis costs minutes at most. */
const reconcileEveryMs = 120_000;
/** When the queue is empty and work is left (a wipe, a lost add), one worker looks at the store this soon. */
const reconcileWhenEmptyMs = 3_000;
/** A nudge may be lost: running chunks look at their batch's control log this often. */
const lookAgainMs = 30_000;

/**
 * The worker: takes chunks as its engines have room, scores and commits them, reconciles and finalizes. Ends when the
 * drain signal has fired and the chunks in flight have been committed or given back ("drained"), or, with `untilIdle`,
 * when the store says that nothing is left ("idle"). A batch that it cannot serve (E_SIMULATED_MIX, E_PIN_MISMATCH, E_ENGINE_REFUSED,
 * E_BROKEN) is reported as an event and left alone, and the others are served. Rejects with that error when `only`
 * names the batch, or, with `untilIdle`, when nothing but such batches is left; and with what makes any work useless
 * (E_DENIED). Never resolves or rejects while a chunk is still being scored.
 */
export async function runWorker(ports: WorkerPorts, options: WorkerOptions): Promise<"idle" | "drained"> {
  const worker = startWorker(ports, options);
  try {
    return await worker.run();
  } finally {
    await worker.stop();
  }
}

function startWorker(given: WorkerPorts, options: WorkerOptions) {
  const store = watchStore(given.store, given.clock);
  const ports = { ...given, store };
  const { disk, queue, pool, clock } = ports;
  const held = {
    spool: disk === null ? null : openSpool(disk),
    memory: openRowMemory(),
    ahead: openRowsAhead(clock),
    leases: openHeldLeases(),
  };
  const stopIntake = new AbortController();
  const intake = AbortSignal.any([options.drain, options.abort, stopIntake.signal]);
  const deadline = new AbortController();
  const giveBack = AbortSignal.any([deadline.signal, options.abort]);
  const over = new AbortController();
  const worker: Worker = { ports, options, intake, giveBack, fail };
  const served = serveBatches(worker);
  const underWay = new Set<Promise<void>>();
  let failure: AssayError | null = null;
  let reconnected = true;
  let reconciling: Promise<void> | null = null;
  let withoutEngine: Away | null = null;
  let finalized = new AbortController();
  // made anew only where a batch has ended: a signal that lives for months keeps a trace of each that is made of it
  let intakeOrEnd = AbortSignal.any([intake, finalized.signal]);

  served.onFinalized(() => finalized.abort());
  const stopNudges = queue.onNudge((batch) => void served.lookAgain(batch));
  const stopReconnects = queue.onReconnect(() => {
    reconnected = true;
  });
  const stopLooking = clock.every(lookAgainMs, () => {
    for (const batch of served.running()) void served.lookAgain(batch);
  });
  const told = tellState(queue, clock, { name: options.name, root: store.uri, model: options.model }, look);

  return {
    async run(): Promise<"idle" | "drained"> {
      try {
        whenAborted(options.drain, () => void giveBackLater());
        await takeUntilStopped();
      } catch (error) {
        fail(toAssayError(error));
      }
      await Promise.all(underWay);
      await served.finalizing();
      if (failure !== null) throw failure;
      return intake.aborted ? "drained" : "idle";
    },
    async stop(): Promise<void> {
      over.abort();
      stopLooking();
      stopNudges();
      stopReconnects();
      await told.stop();
    },
  };

  async function giveBackLater(): Promise<void> {
    if (options.drainMs === null) return;
    await clock.sleep(options.drainMs, over.signal);
    deadline.abort();
  }

  async function takeUntilStopped(): Promise<void> {
    while (!intake.aborted) {
      // first of all: no row is asked that this host's disk holds
      if (reconnected) await reconcile();
      // what the slots need while the next rows are on their way, and not more: another worker may be idle
      await held.ahead.whenBelow((batch) => enoughAhead(pool, batch), intake);
      if (intake.aborted) return;
      // beside the intake, which goes on however many batches are open and however far they are
      keep(reconcileWhenDue());
      const leased = await take();
      const chunk = leased === null ? null : await runChunk(worker, served, held, leased);
      told.changed();
      if (chunk !== null) keep(chunk.ended);
      // jobs that are for others never end, so an empty queue is not waited for
      else if (!intake.aborted && served.running().length === 0 && (await nothingLeft())) return;
    }
  }

  /** The end of a batch may be the end of all work: nobody waits for jobs then. */
  async function take(): Promise<LeasedJob | null> {
    const leased = await queue.take(intakeOrEnd);
    if (finalized.signal.aborted) {
      finalized = new AbortController();
      intakeOrEnd = AbortSignal.any([intake, finalized.signal]);
    }
    return leased;
  }

  /** Until it has ended the worker has not. */
  function keep(work: Promise<void>): void {
    underWay.add(work);
    void work.then(() => underWay.delete(work));
  }

  async function reconcileWhenDue(): Promise<void> {
    if ((await queue.courtesy("reconcile", reconcileEveryMs)) && !intake.aborted) await reconcile();
  }

  /** One at a time. Never rejects: what makes any work useless fails the worker. */
  function reconcile(): Promise<void> {
    reconciling ??= reconcileOnce().finally(() => {
      reconciling = null;
    });
    return reconciling;
  }

  async function reconcileOnce(): Promise<void> {
    reconnected = false;
    try {
      if (!(await untilAborted(reconcileRoot(worker, served), giveBack))) reconnected = true;
    } catch (error) {
      if (!giveBack.aborted) fail(toAssayError(error));
    }
  }

  /** Nothing for this worker came out of the queue and nothing runs here. */
  async function nothingLeft(): Promise<boolean> {
    if (await queue.courtesy("reconcile-empty", reconcileWhenEmptyMs)) await reconcile();
    if (!options.untilIdle) return false;
    const idle = (only: string | null, except?: ReadonlyMap<string, unknown>): Promise<boolean> =>
      waitForStore(() => isIdle(store, options.model, only, except), {
        clock,
        signal: intake,
        onAway: (error) => options.onEvent({ type: "away", what: "store", error }),
      }).catch(() => false);
    const leftAlone = served.leftAlone();
    if (!(await idle(options.only, leftAlone))) return false;
    for (const [batch, { error }] of leftAlone) if (!(await idle(batch))) fail(error);
    return true;
  }

  function fail(error: AssayError): void {
    failure ??= error;
    stopIntake.abort();
  }

  function look(): Seen {
    const batches = served.running();
    withoutEngine = pool.capacity > 0 ? null : (withoutEngine ?? { since: clock.now(), why: "no engine takes rows" });
    const refused = [...served.leftAlone()].filter(([batch]) => served.isLeftAlone(batch));
    const { disk: rows_on_disk, memory: rows_in_memory } = held.memory.count();
    return {
      // of what nobody wants to put any more the last answer says nothing
      storeAway: (batches.length > 0 ? store.away("puts") : null) ?? store.away("questions"),
      engineAway: served.unprobed() ?? withoutEngine,
      isDraining: intake.aborted,
      batches,
      refused: refused.map(([batch, { error }]) => ({ batch, why: `${error.code} ${error.message}` })),
      rows_on_disk,
      rows_in_memory,
      is_full: held.memory.isFull(),
    };
  }
}

function whenAborted(signal: AbortSignal, tell: () => void): void {
  if (signal.aborted) tell();
  else signal.addEventListener("abort", tell, { once: true });
}
