import { type AssayError, type BatchFile, isRunnable, toAssayError } from "@assay/core";
import { type BatchContext, openBatch, probeOnce } from "./batch-context.ts";
import { appendControl, readControl } from "./control-log.ts";
import { finalizeBatch } from "./finalize-batch.ts";
import { reweighBatch } from "./reconcile-batch.ts";
import { untilAborted, waitForStore } from "./wait-for-store.ts";
import type { Away } from "./watch-store.ts";
import type { Worker } from "./worker-ports.ts";

/** A batch whose engines do not fit (pin, probe) is left alone this long, so that its jobs do not spin. */
const leaveAloneMs = 60_000;
/** Before a batch is tried again whose engines did not answer the probe. */
export const awayPauseMs = 5_000;

/** The batches that a worker has to do with, as far as it knows them, and its chunks of them that run. */
export interface ServedBatches {
  /**
   * A batch, opened once for all its chunks; it is left alone no more then. Rejects as `openBatch` does; asked again it
   * is tried again.
   */
  open(batch: string): Promise<BatchContext>;
  /** since when no engine answers the probe of a batch; null = the last one did */
  unprobed(): Away | null;
  /** Whether an engine did not answer the probe of this batch a moment ago: it is not tried yet, and others are served. */
  isUnprobed(batch: string): boolean;

  /** A chunk of the batch runs from now until `end`; `stopped` aborts when the batch may not run any more. */
  run(batch: string): { readonly stopped: AbortSignal; end(): void };
  /** batches of which chunks run, each once */
  running(): string[];

  /** Reported, and for a minute none of its jobs is begun. Fails the worker that serves only this batch. */
  leaveAlone(batch: string, error: AssayError): void;
  isLeftAlone(batch: string): boolean;
  /** those that were left alone and not opened since, and why */
  leftAlone(): ReadonlyMap<string, { readonly error: AssayError }>;

  /** Holds the batch for everybody. Waits for a store that is away; rejects with E_ABORTED when chunks go back, with E_BROKEN where its log is. */
  pause(batch: string, reason: string): Promise<void>;
  /** Reads a batch's control log anew and stops its chunks here when it may not run. Never rejects. */
  lookAgain(batch: string): Promise<void>;
  /** A chunk has its shard: who sees the last one finalizes at once. Never rejects. */
  noteDone(context: BatchContext, chunk: number): Promise<void>;
  /**
   * Writes the end of a batch whose shards are all there. It reads them all, for 5M rows minutes: nothing but the end of
   * the chunk or of the worker waits for it. One batch at a time. Never rejects, and stops when chunks go back.
   */
  finalize(file: BatchFile): Promise<void>;
  /** those that are under way */
  finalizing(): Promise<unknown>;
  /** called after each, whatever it came to */
  onFinalized(listener: () => void): void;
  /** A batch that has ended: chunks of it that still run here have their shard from somebody else. */
  forget(batch: string): void;
  /** Batches that others ended: a worker that runs for months keeps nothing of them. */
  forgetAllBut(kept: ReadonlySet<string>): void;
}

export function serveBatches({ ports, options, giveBack, fail }: Worker): ServedBatches {
  const { store, queue, pool, clock } = ports;
  const probe = probeOnce(ports.probe);
  const contexts = new Map<string, Promise<BatchContext>>();
  const leftAlone = new Map<string, { until: number; error: AssayError }>();
  /** chunks that this worker knows to have their shard */
  const done = new Map<string, Set<number>>();
  /** that the waiting jobs of a batch are known to have: a chunk may read a new one before any look does */
  const weights = new Map<string, number>();
  const running = new Set<{ readonly batch: string; readonly controller: AbortController }>();
  const finalizing = new Map<string, Promise<void>>();
  let lastFinalized: Promise<void> = Promise.resolve();
  let onFinalized = (): void => {};
  let unprobed: Away | null = null;
  /** by batch, when its engines are probed again */
  const probeAgainAt = new Map<string, number>();

  async function openNew(batch: string): Promise<BatchContext> {
    try {
      const context = await openBatch(ports, batch, options.model, probe, (told) =>
        options.onEvent({ type: "way", batch, ...told }),
      );
      unprobed = null;
      probeAgainAt.delete(batch);
      // nobody may have moved its jobs: a person without Redis cannot
      if (context.control.n === 0) weights.set(batch, context.control.weight);
      else if (isRunnable(context.control.state)) await reweigh(context);
      return context;
    } catch (error) {
      contexts.delete(batch);
      const known = toAssayError(error);
      if (known.code === "E_ENGINE_UNREACHABLE") {
        unprobed = { since: unprobed?.since ?? clock.now(), why: known.message };
        probeAgainAt.set(batch, clock.now() + awayPauseMs);
      }
      throw error;
    }
  }

  async function lookAgain(batch: string): Promise<void> {
    const context = await contexts.get(batch)?.catch(() => undefined);
    if (context === undefined) return;
    const control = await readControl(store, batch).catch(() => null);
    // of two looks at once the earlier may come back later
    if (control === null || control.n < context.control.n) return;
    context.control = control;
    if (isRunnable(control.state)) {
      if (control.weight !== weights.get(batch)) await reweigh(context);
      return;
    }
    stopChunks(batch);
    // whoever resumes has mended something
    context.watch.reset();
    pool.lift(batch);
  }

  /** Never rejects: until it is known to be done the next look tries again. */
  async function reweigh({ file, control: { n, weight } }: BatchContext): Promise<void> {
    const isDone = await reweighBatch(store, queue, file, n).catch(() => false);
    if (isDone) weights.set(file.batch, weight);
  }

  function stopChunks(batch: string): void {
    for (const chunk of running) if (chunk.batch === batch) chunk.controller.abort();
  }

  function finalize(file: BatchFile): Promise<void> {
    const { batch } = file;
    const underWay = finalizing.get(batch);
    if (underWay !== undefined) return underWay;
    const work = lastFinalized
      .then(() => untilAborted(writeEnd(file), giveBack))
      .catch((error: unknown) => finalizeFailed(batch, toAssayError(error)))
      .finally(() => {
        finalizing.delete(batch);
        onFinalized();
      });
    finalizing.set(batch, work);
    lastFinalized = work;
    return work;
  }

  /** The next reconcile tries again. */
  function finalizeFailed(batch: string, error: AssayError): void {
    if (giveBack.aborted) return;
    if (error.code === "E_DENIED") fail(error);
    else if (error.class === "infrastructure") options.onEvent({ type: "away", what: "store", error });
    else leaveAlone(batch, error);
  }

  async function writeEnd(file: BatchFile): Promise<void> {
    const author = { id: clock.random(), at: new Date(clock.now()).toISOString(), by: options.name };
    if ((await finalizeBatch(ports, file, author)) !== "finished") return;
    forget(file.batch);
    options.onEvent({ type: "finished", batch: file.batch });
  }

  function leaveAlone(batch: string, error: AssayError): void {
    options.onEvent({ type: "refused", batch, error });
    leftAlone.set(batch, { until: clock.now() + leaveAloneMs, error });
    if (options.only === batch) fail(error);
  }

  function forget(batch: string): void {
    stopChunks(batch);
    for (const map of [contexts, done, leftAlone, weights, probeAgainAt]) map.delete(batch);
    pool.lift(batch);
  }

  return {
    open(batch) {
      const context = contexts.get(batch) ?? openNew(batch);
      contexts.set(batch, context);
      return context.then((opened) => {
        leftAlone.delete(batch);
        return opened;
      });
    },
    unprobed: () => unprobed,
    isUnprobed: (batch) => (probeAgainAt.get(batch) ?? 0) > clock.now(),

    run(batch) {
      const chunk = { batch, controller: new AbortController() };
      running.add(chunk);
      return { stopped: chunk.controller.signal, end: () => void running.delete(chunk) };
    },
    running: () => [...new Set([...running].map(({ batch }) => batch))],

    leaveAlone,
    isLeftAlone: (batch) => (leftAlone.get(batch)?.until ?? 0) > clock.now(),
    leftAlone: () => leftAlone,

    async pause(batch, reason) {
      const author = { id: clock.random(), at: new Date(clock.now()).toISOString(), by: options.name };
      const { appended } = await waitForStore(() => appendControl(store, batch, { state: "paused", reason }, author), {
        clock,
        signal: giveBack,
        onAway: (error) => options.onEvent({ type: "away", what: "store", error }),
      });
      // else it is paused, cancelled or complete by somebody else's entry
      if (appended) options.onEvent({ type: "paused", batch, reason });
      await queue.nudge(batch);
      await lookAgain(batch);
    },
    lookAgain,
    async noteDone(context, chunk) {
      const { batch, chunks } = context.file;
      const chunksDone = done.get(batch) ?? new Set<number>();
      done.set(batch, chunksDone.add(chunk));
      if (chunksDone.size === chunks.length) await finalize(context.file);
    },
    finalize,
    finalizing: () => Promise.all(finalizing.values()),
    onFinalized(listener) {
      onFinalized = listener;
    },
    forget,
    forgetAllBut(kept) {
      for (const map of [contexts, done, leftAlone, weights, probeAgainAt])
        for (const batch of map.keys()) if (!kept.has(batch)) forget(batch);
    },
  };
}
