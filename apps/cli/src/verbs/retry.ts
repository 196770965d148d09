import { type BatchFile, defaultRetryStatuses, parseRetryStatuses } from "@assay/core";
import { openDecoder } from "@assay/datasets";
import { findBatch, type LinkedRetry, linkRetry, loadBatch, openRoot, stageRetry } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { author } from "../author.ts";
import { commandLine } from "../command-line.ts";
import { drainSignals } from "../drain-signals.ts";
import type { DrainFlags, EngineFlags, JsonFlag, RedisFlags, RootFlags } from "../flags.ts";
import type { Signals } from "../on-signals.ts";
import { type OpenedEngines, openNamedEngines } from "../open-engines.ts";
import { assertWritable, openStore } from "../open-store.ts";
import { decodeLimitMs } from "../open-worker.ts";
import { prepareHangUp } from "../output-file.ts";
import { showProgress } from "../progress.ts";
import { queueBatch } from "../queue-batch.ts";
import { readState, readSummary } from "../read-state.ts";
import { refuseFailedRows } from "../refuse-failed-rows.ts";
import { count, counted, note, result, resultJson } from "../say.ts";
import { scoreStaged } from "../score-inputs.ts";
import { type CompleteBatch, showSummary, summaryJson } from "../show-summary.ts";
import { refuseCancelled } from "../stage-plan.ts";
import { pairs } from "../submit-settings.ts";
import { systemClock } from "../system-clock.ts";
import { version } from "../version.ts";
import { watchBatch } from "../watch-batch.ts";

type RetryFlags = RootFlags &
  RedisFlags &
  EngineFlags &
  DrainFlags &
  JsonFlag & {
    readonly status: readonly string[];
    readonly set: readonly string[];
    readonly again?: boolean;
    readonly wait?: boolean;
  };

/**
 * Asks the failed rows of a complete batch again, as a child batch; prints its name. The same command twice is one
 * retry. With --engine this process works on it, else the workers of the root do. Exit 3, once it is complete, when
 * more rows than the batch's --max-failed still have no reward.
 */
export async function retry(text: string, flags: RetryFlags): Promise<void> {
  const store = await openStore(flags.root);
  const named = await loadBatch(store, await findBatch(store, text));
  const head = named.parent === undefined ? named : await loadBatch(store, named.parent.batch);
  const set = pairs("--set", "key=value", flags.set);
  const status = flags.status.length === 0 ? defaultRetryStatuses(set) : parseRetryStatuses(flags.status);
  const engines = flags.engine.length === 0 ? null : await openNamedEngines(flags, head.model);
  const signals = drainSignals(flags, engines === null ? () => {} : prepareHangUp("retry"));
  try {
    const wanted = { status, set, again: flags.again === true };
    const staged = await stage(store, head, wanted, signals, engines);
    if (staged === null) {
      note(`no row of ${head.batch} is ${status.join(", ")}: there is nothing to ask again`);
      if (flags.json === true) resultJson({ batch: null, state: null, rows: 0, retry_of: head.batch });
      return;
    }
    const { child, linked } = staged;
    await refuseCancelled(store, child.batch, flags.root);
    const complete = await work(store, child, linked, flags, signals, engines);
    if (complete === null) return;
    if (flags.json === true) resultJson(summaryJson(complete));
    else if (flags.engine.length > 0) showSummary(complete);
    await refuseFamily(store, head, flags);
  } finally {
    await engines?.close();
    signals.close();
  }
}

async function stage(
  store: ObjectStore,
  head: BatchFile,
  wanted: Parameters<typeof linkRetry>[2],
  signals: Signals,
  engines: OpenedEngines | null,
): Promise<{ child: BatchFile; linked: LinkedRetry } | null> {
  await assertWritable(store);
  const decoder = openDecoder({ timeLimitMs: decodeLimitMs });
  let rows = 0;
  const progress = showProgress(() => `reading ${head.batch}  ${counted(rows, "row")} to ask again`);
  try {
    const ports = { store, decodeShard: decoder.decode };
    const { at, by } = author();
    const linked = await linkRetry(ports, head, wanted, { at, by }, async (profile) => {
      await engines?.probe(profile, head.model, head.revision);
    });
    if (linked === null) return null;
    const onProgress = (seen: number): void => {
      rows = seen;
    };
    const child = await stageRetry(ports, head, linked.n, { software: version, signal: signals.drain, onProgress });
    return { child, linked };
  } finally {
    progress.stop();
    await decoder.close();
  }
}

/** Null when others are to work on it and nobody waits. */
async function work(
  store: ObjectStore,
  child: BatchFile,
  linked: LinkedRetry,
  flags: RetryFlags,
  signals: Signals,
  engines: OpenedEngines | null,
): Promise<CompleteBatch | null> {
  const before = await readState(store, child.batch, child);
  const rows = counted(child.counts.rows, "row");
  if (linked.result === "created") note(`${rows} to ask again, in ${counted(child.chunks.length, "chunk")}`);
  else if (before.state !== "complete") note(`this retry exists: ${count(before.doneRows)} of ${rows} are done`);
  else note(`this retry is complete already; nothing is asked again (--again asks anew what still failed)`);
  const rootId = await openRoot(store, systemClock.random);
  if (engines !== null) {
    const startedAt = Date.now();
    const tell = flags.json === true ? resultJson : (): void => {};
    const summary = await scoreStaged({ store, engines, rootId }, before, flags, signals, tell);
    return { store, file: child, summary, seconds: (Date.now() - startedAt) / 1_000 };
  }
  if (flags.json !== true) result(child.batch);
  const untold = "a worker of this root picks it up, or the same command with --engine URL works on it here";
  if (before.state === "running" || before.state === "finishing") await queueBatch(store, child, rootId, flags, untold);
  if (before.state === "paused") note(`paused; to go on: ${commandLine(["resume", child.batch], flags.root)}`);
  if (flags.wait !== true && before.state !== "complete") {
    if (flags.json === true) resultJson({ batch: child.batch, state: before.state, rows: child.counts.rows });
    return null;
  }
  return watchBatch(store, child.batch, { timeoutMs: null, root: flags.root, signal: signals.drain });
}

/** What counts is how many rows of the batch have no reward by now, not how many of the few that were asked again. */
async function refuseFamily(store: ObjectStore, head: BatchFile, flags: RootFlags): Promise<void> {
  const whole = { store, file: head, summary: await readSummary(store, head.batch) };
  const ok = await refuseFailedRows(whole, head.max_failed, flags.root);
  note(`${head.batch} with its retries: ${count(ok)} of ${counted(head.counts.rows, "row")} have a reward`);
}
