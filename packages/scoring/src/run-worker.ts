import { type AssayError, type BatchFile, isRunnable, parentOfRetry, successKey, toAssayError } from "@assay/core";
import type { DecodeKeys, DecodeShard, EncodeShard } from "@assay/datasets";
import type { EnginePool } from "@assay/engine";
import type { JobQueue, LeasedJob } from "@assay/queue";
import type { ObjectStore } from "@assay/store";
import { type BatchContext, openBatch, type ProbeEngines, probeOnce } from "./batch-context.ts";
import { listOpenBatches } from "./batch-index.ts";
import type { WayTold } from "./batch-reading.ts";
import type { ChunkOutcome } from "./chunk-ports.ts";
import type { Clock } from "./clock.ts";
import { appendControl, readControl } from "./control-log.ts";
import { emptySpool } from "./empty-spool.ts";
import { finalizeBatch } from "./finalize-batch.ts";
import { isIdle } from "./is-idle.ts";
import { loadBatchIfPresent } from "./load-batch.ts";
import { reconcileBatch, reweighBatch } from "./reconcile-batch.ts";
import { openRowMemory } from "./row-memory.ts";
import { scoreChunk } from "./score-chunk.ts";
import { openSpool } from "./spool.ts";
import { stageRetry, unstagedRetryOf } from "./stage-retry.ts";
import { type Seen, tellState } from "./tell-state.ts";
import { waitForStore } from "./wait-for-store.ts";
import { type Away, watchStore } from "./watch-store.ts";

export interface WorkerPorts {
  readonly store: ObjectStore;
  /** a directory of this host, of this root alone, where finished rows outlive the process while the store is away */
  readonly disk: ObjectStore | null;
  readonly queue: JobQueue;
  readonly pool: EnginePool;
  readonly probe: ProbeEngines;
  readonly encodeShard: EncodeShard;
  readonly decodeShard: DecodeShard;
  readonly decodeKeys: DecodeKeys;
  readonly clock: Clock;
}

export interface WorkerOptions {
  /** the served name: this worker serves every batch of the root that asks for it */
  readonly model: string;
  /** who writes control entries: host and process id */
  readonly name: string;
  readonly software: string;
  /** serve only this batch; null = every batch of the model */
  readonly only: string | null;
  /** go home when no batch of the root has work for this worker */
  readonly untilIdle: boolean;
  /** nothing new is begun; rows in flight end until the deadline, then what has finished is saved and chunks go back */
  readonly drain: AbortSignal;
  /** so long after `drain` rows still in flight are stopped; null = they are waited for however long they take */
  readonly drainMs: number | null;
  /** everything stops at once: chunks in flight are given back, and what was not saved yet is lost */
  readonly abort: AbortSignal;
  readonly onEvent: (event: WorkerEvent) => void;
}

export type WorkerEvent =
  | { type: "chunk"; batch: string; chunk: number; outcome: ChunkOutcome; ms: number }
  | { type: "paused"; batch: string; reason: string }
  | { type: "finished"; batch: string }
  /** how rows are read on an engine from now on, and why */
  | ({ type: "way"; batch: string } & WayTold)
  | { type: "refused"; batch: string; error: AssayError }
  /** finished rows of a chunk are on `disk`, since the store does not take them */
  | { type: "spooled"; batch: string; chunk: number; rows: number }
  /** checkpoints that an earlier process left on `disk` are in the store */
  | { type: "unspooled"; checkpoints: number }
  | { type: "away"; what: "store" | "redis" | "engine"; error: AssayError };

/** Reconcile rounds of one root and model, over all its workers: often enough that a wiped Redis costs minutes at most. */
const reconcileEveryMs = 120_000;
/** When the queue is empty and work is left (a wipe, a lost add), one worker looks at the store this soon. */
const reconcileWhenEmptyMs = 3_000;
/** A nudge may be lost: running chunks look at their batch's control log this often. */
const lookAgainMs = 30_000;
const hasShard: ReadonlySet<ChunkOutcome["kind"]> = new Set(["committed", "lost-race", "exists"]);
/** A batch whose engines do not fit (pin, probe) is left alone this long, so that its jobs do not spin. */
const leaveAloneMs = 60_000;
/** Before a chunk is tried again whose engines did not answer the probe. */
const awayPauseMs = 5_000;

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

interface RunningChunk {
  readonly batch: string;
  readonly controller: AbortController;
}

function startWorker(given: WorkerPorts, options: WorkerOptions) {
  const store = watchStore(given.store, given.clock);
  const ports = { ...given, store };
  const { disk, queue, pool, clock } = ports;
  const spool = disk === null ? null : openSpool(disk);
  const memory = openRowMemory();
  const probe = probeOnce(ports.probe);
  const contexts = new Map<string, Promise<BatchContext>>();
  const leftAlone = new Map<string, { until: number; error: AssayError }>();
  /** chunks that this worker knows to have their shard: who sees the last one finalizes at once */
  const done = new Map<string, Set<number>>();
  const running = new Map<LeasedJob, RunningChunk>();
  const ended = new Set<Promise<void>>();
  /** since when no engine answered the probe, or took rows */
  let unprobed: Away | null = null;
  let withoutEngine: Away | null = null;
  let failure: AssayError | null = null;
  let reconnected = true;
  const stopIntake = new AbortController();
  const intake = AbortSignal.any([options.drain, options.abort, stopIntake.signal]);
  const deadline = new AbortController();
  const giveBack = AbortSignal.any([deadline.signal, options.abort]);
  const over = new AbortController();
  const onAway = (what: "store" | "redis") => (error: AssayError) => options.onEvent({ type: "away", what, error });

  const stopNudges = queue.onNudge((batch) => void lookAgain(batch));
  const stopReconnects = queue.onReconnect(() => {
    reconnected = true;
  });
  const told = tellState(queue, clock, { name: options.name, root: store.uri, model: options.model }, look);
  const stopLooking = clock.every(lookAgainMs, () => {
    for (const batch of new Set([...running.values()].map((chunk) => chunk.batch))) void lookAgain(batch);
  });

  return {
    async run(): Promise<"idle" | "drained"> {
      try {
        whenAborted(options.drain, () => void giveBackLater());
        await takeUntilStopped();
      } catch (error) {
        fail(toAssayError(error));
      }
      await Promise.all(ended);
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

  function look(): Seen {
    const batches = [...new Set([...running.values()].map(({ batch }) => batch))];
    withoutEngine = pool.capacity > 0 ? null : (withoutEngine ?? { since: clock.now(), why: "no engine takes rows" });
    const refused = [...leftAlone].filter(([batch]) => isLeftAlone(batch));
    const { disk: rows_on_disk, memory: rows_in_memory } = memory.count();
    return {
      // of what nobody wants to put any more the last answer says nothing
      storeAway: (running.size > 0 ? store.away("puts") : null) ?? store.away("questions"),
      engineAway: unprobed ?? withoutEngine,
      isDraining: intake.aborted,
      batches,
      refused: refused.map(([batch, { error }]) => ({ batch, why: `${error.code} ${error.message}` })),
      rows_on_disk,
      rows_in_memory,
      is_full: memory.isFull(),
    };
  }

  async function giveBackLater(): Promise<void> {
    if (options.drainMs === null) return;
    await clock.sleep(options.drainMs, over.signal);
    deadline.abort();
  }

  async function takeUntilStopped(): Promise<void> {
    while (!intake.aborted) {
      await reconcileWhenDue();
      // twice the slots in sight keeps engines busy while the next chunk's rows are fetched
      await pool.whenWaitingBelow(Math.max(1, Math.ceil(pool.capacity / 2)), intake);
      if (intake.aborted) return;
      const leased = await queue.take(intake);
      const begun = leased !== null && (await begin(leased)) === "begun";
      told.changed();
      if (begun) continue;
      // jobs that are for others never end, so an empty queue is not waited for
      if (!intake.aborted && running.size === 0 && (await nothingLeft())) return;
    }
  }

  async function reconcileWhenDue(): Promise<void> {
    const first = reconnected;
    reconnected = false;
    if (!first && !(await queue.courtesy("reconcile", reconcileEveryMs))) return;
    await reconcileAll();
  }

  /** Nothing for this worker came out of the queue and nothing runs here. */
  async function nothingLeft(): Promise<boolean> {
    if (await queue.courtesy("reconcile-empty", reconcileWhenEmptyMs)) await reconcileAll();
    if (!options.untilIdle) return false;
    const idle = (only: string | null, except?: ReadonlyMap<string, unknown>): Promise<boolean> =>
      waitForStore(() => isIdle(store, options.model, only, except), {
        clock,
        signal: intake,
        onAway: onAway("store"),
      }).catch(() => false);
    if (!(await idle(options.only, leftAlone))) return false;
    for (const [batch, { error }] of leftAlone) if (!(await idle(batch))) fail(error);
    return true;
  }

  async function reconcileAll(): Promise<void> {
    try {
      const checkpoints = disk === null ? 0 : await emptySpool(store, disk);
      if (checkpoints > 0) options.onEvent({ type: "unspooled", checkpoints });
      const open = options.only === null ? await listOpenBatches(store) : [options.only];
      // a batch that others ended leaves the index while chunks of it may still run here
      const batches = new Set([...open, ...[...running.values()].map(({ batch }) => batch)]);
      forgetAllBut(batches);
      for (const batch of batches) {
        if (intake.aborted) return;
        if (!isLeftAlone(batch)) await reconcile(batch);
      }
    } catch (error) {
      const known = toAssayError(error);
      if (known.class !== "infrastructure") throw error;
      options.onEvent({ type: "away", what: known.code === "E_REDIS_UNAVAILABLE" ? "redis" : "store", error: known });
      await clock.sleep(1_000, intake);
      reconnected = true;
    }
  }

  /** One batch that is broken, or of another generation, says nothing about the others. */
  async function reconcile(batch: string): Promise<void> {
    try {
      const file = (await loadBatchIfPresent(store, batch)) ?? (await stageIfLinked(batch));
      if (file === null || file.model !== options.model) return;
      if ((await store.head(successKey(batch))) !== null) return forget(batch);
      if ((await reconcileBatch(store, queue, file)) === 0) await finalize(file);
    } catch (error) {
      const known = toAssayError(error);
      if (known.class === "infrastructure" || known.code === "E_DENIED") throw error;
      leaveAlone(batch, known);
    }
  }

  /** A retry whose linker was killed before its child was staged. */
  async function stageIfLinked(batch: string): Promise<BatchFile | null> {
    const head = await unstagedRetryOf(store, batch);
    const retry = parentOfRetry(batch)?.retry;
    if (head?.model !== options.model || retry === undefined) return null;
    return stageRetry(ports, head, retry, { software: options.software, signal: intake });
  }

  async function finalize(file: BatchFile): Promise<void> {
    const author = { id: clock.random(), at: new Date(clock.now()).toISOString(), by: options.name };
    if ((await finalizeBatch(ports, file, author)) !== "finished") return;
    forget(file.batch);
    options.onEvent({ type: "finished", batch: file.batch });
  }

  /** Batches that others ended: a worker that runs for months keeps nothing of them. */
  function forgetAllBut(kept: ReadonlySet<string>): void {
    for (const map of [contexts, done, leftAlone]) for (const batch of map.keys()) if (!kept.has(batch)) forget(batch);
  }

  /** A batch that has ended: chunks of it that still run here have their shard from somebody else. */
  function forget(batch: string): void {
    stopChunks(batch);
    for (const map of [contexts, done, leftAlone]) map.delete(batch);
    pool.lift(batch);
  }

  /** Opens the chunk's batch and sets its rows going; resolves once they stand in line for slots. */
  async function begin(leased: LeasedJob): Promise<"begun" | "ended"> {
    const { batch } = leased.job;
    if ((options.only !== null && batch !== options.only) || isLeftAlone(batch)) {
      await putToTheBack(leased);
      return "ended";
    }
    let context: BatchContext;
    try {
      context = await waitForStore(() => contextOf(batch), { clock, signal: intake, onAway: onAway("store") });
    } catch (error) {
      await refuse(leased, toAssayError(error));
      return "ended";
    }
    unprobed = null;
    if (intake.aborted || context.file.chunks[leased.job.chunk] === undefined) {
      await (intake.aborted ? leased.handBack() : leased.done());
      return "ended";
    }
    let lined: () => void = () => {};
    const inLine = new Promise<void>((resolve) => {
      lined = resolve;
    });
    const work = score(leased, context, lined)
      // nobody looks at it before the worker's end
      .catch((error: unknown) => fail(toAssayError(error)))
      .finally(() => {
        lined();
        ended.delete(work);
      });
    ended.add(work);
    await inLine;
    return "begun";
  }

  async function score(leased: LeasedJob, context: BatchContext, lined: () => void): Promise<void> {
    const { batch, chunk } = leased.job;
    const startedAt = clock.now();
    const controller = new AbortController();
    running.set(leased, { batch, controller });
    try {
      const signal = AbortSignal.any([giveBack, controller.signal]);
      const outcome = await scoreChunk({ ...ports, spool, memory }, context, chunk, {
        drain: options.drain,
        signal,
        abort: options.abort,
        software: options.software,
        onLined: lined,
        onAway: onAway("store"),
        onSpooled: (rows) => options.onEvent({ type: "spooled", batch, chunk, rows }),
        onRefused: (listener) => leased.onRefused(listener),
      });
      options.onEvent({ type: "chunk", batch, chunk, outcome, ms: clock.now() - startedAt });
      if (outcome.kind === "failed-as-a-whole") await pause(batch, outcome.reason);
      await leased.done();
      if (hasShard.has(outcome.kind)) await noteDone(context, chunk);
    } catch (error) {
      await endOfChunk(leased, toAssayError(error), controller.signal);
    } finally {
      running.delete(leased);
    }
  }

  async function endOfChunk(leased: LeasedJob, error: AssayError, stopped: AbortSignal): Promise<void> {
    const { batch } = leased.job;
    const fenced = error.code === "E_ENGINES_FENCED";
    if (giveBack.aborted) return leased.handBack();
    // the pause that stopped it may be over by now: no second one for the same fences
    if ((error.code === "E_ABORTED" || fenced) && stopped.aborted) return leased.done();
    if (error.class === "infrastructure") return leased.handBack();
    try {
      const where = error.where === undefined ? "" : ` (${error.where})`;
      // a fault of ours or of the store's contents, too: going on would repeat it all night
      await pause(batch, fenced ? error.message : `${error.code}: ${error.message}${where}`);
    } catch (cause) {
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

  async function pause(batch: string, reason: string): Promise<void> {
    const author = { id: clock.random(), at: new Date(clock.now()).toISOString(), by: options.name };
    const { appended } = await waitForStore(() => appendControl(store, batch, { state: "paused", reason }, author), {
      clock,
      signal: giveBack,
      onAway: onAway("store"),
    });
    // else it is paused, cancelled or complete by somebody else's entry
    if (appended) options.onEvent({ type: "paused", batch, reason });
    await queue.nudge(batch);
    await lookAgain(batch);
  }

  /** Reads a batch's control log anew and stops its chunks here when it may not run. */
  async function lookAgain(batch: string): Promise<void> {
    const context = await contexts.get(batch)?.catch(() => undefined);
    if (context === undefined) return;
    const control = await readControl(store, batch).catch(() => null);
    // of two looks at once the earlier may come back later
    if (control === null || control.n < context.control.n) return;
    const { weight } = context.control;
    context.control = control;
    if (control.weight !== weight) await reweighBatch(store, queue, context.file, control.n).catch(() => {});
    if (isRunnable(control.state)) return;
    stopChunks(batch);
    // whoever resumes has mended something
    context.watch.reset();
    pool.lift(batch);
  }

  function stopChunks(batch: string): void {
    for (const chunk of running.values()) if (chunk.batch === batch) chunk.controller.abort();
  }

  function contextOf(batch: string): Promise<BatchContext> {
    let context = contexts.get(batch);
    if (context === undefined) {
      context = openBatch(ports, batch, options.model, probe, (told) =>
        options.onEvent({ type: "way", batch, ...told }),
      );
      context.catch(() => contexts.delete(batch));
      contexts.set(batch, context);
    }
    return context;
  }

  async function noteDone(context: BatchContext, chunk: number): Promise<void> {
    const { batch, chunks } = context.file;
    const chunksDone = done.get(batch) ?? new Set<number>();
    done.set(batch, chunksDone.add(chunk));
    // what goes wrong here is met, and told, by the next reconcile
    if (chunksDone.size === chunks.length) await finalize(context.file).catch(() => {});
  }

  async function refuse(leased: LeasedJob, error: AssayError): Promise<void> {
    const { batch } = leased.job;
    if (intake.aborted) return leased.handBack();
    if (error.code === "E_NO_SUCH_BATCH") return leased.done();
    if (error.class === "infrastructure") {
      unprobed = { since: unprobed?.since ?? clock.now(), why: error.message };
      options.onEvent({ type: "away", what: "engine", error });
      await leased.handBack();
      // it stands at the head of the line again
      await clock.sleep(awayPauseMs, intake);
      return;
    }
    leaveAlone(batch, error);
    await putToTheBack(leased);
  }

  function leaveAlone(batch: string, error: AssayError): void {
    options.onEvent({ type: "refused", batch, error });
    leftAlone.set(batch, { until: clock.now() + leaveAloneMs, error });
    if (options.only === batch) fail(error);
  }

  function fail(error: AssayError): void {
    failure ??= error;
    stopIntake.abort();
  }

  function isLeftAlone(batch: string): boolean {
    return (leftAlone.get(batch)?.until ?? 0) > clock.now();
  }

  /**
   * Not for this worker: the job goes behind all others. Handing it back would put it at the head of the line, where
   * this worker would meet it again at once.
   */
  async function putToTheBack(leased: LeasedJob): Promise<void> {
    await leased.done();
    const behind = (await queue.virtualTime().catch(() => 0)) + 10_000;
    await queue.add([{ ...leased.job, priority: behind }]).catch(() => {});
    await clock.sleep(250, intake);
  }
}

function whenAborted(signal: AbortSignal, tell: () => void): void {
  if (signal.aborted) tell();
  else signal.addEventListener("abort", tell, { once: true });
}
