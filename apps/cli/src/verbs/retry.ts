import { AssayError, type BatchFile, defaultRetryStatuses, parseRetryStatuses } from "@assay/core";
import { openDecoder } from "@assay/datasets";
import { findBatch, type LinkedRetry, linkRetry, loadBatch, openRoot, stageRetry } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { author } from "../author.ts";
import { commandLine } from "../command-line.ts";
import { drainSignals } from "../drain-signals.ts";
import type { DrainFlags, EngineFlags, JsonFlag, RedisFlags, RootFlags } from "../flags.ts";
import type { Signals } from "../on-signals.ts";
import { openNamedEngines } from "../open-engines.ts";
import { assertWritable, openStore } from "../open-store.ts";
import { decodeLimitMs } from "../open-worker.ts";
import { prepareHangUp } from "../output-file.ts";
import { showProgress } from "../progress.ts";
import { queueBatch } from "../queue-batch.ts";
import { readState, readSummary } from "../read-state.ts";
import { count, counted, note, result, resultJson } from "../say.ts";
import { scoreStaged } from "../score-inputs.ts";
import { familyOk, readRetries } from "../show-retries.ts";
import { type CompleteBatch, okRows, showSummary, summaryJson } from "../show-summary.ts";
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
  const signals = drainSignals(flags, flags.engine.length === 0 ? () => {} : prepareHangUp("retry"));
  try {
    const staged = await stage(store, head, { status, set, again: flags.again === true }, signals);
    if (staged === null) {
      note(`no row of ${head.batch} is ${status.join(", ")}: there is nothing to ask again`);
      return;
    }
    const { child, linked } = staged;
    await refuseCancelled(store, child.batch, flags.root);
    const complete = await work(store, child, linked, flags, signals);
    if (complete === null) return;
    if (flags.json === true) resultJson(summaryJson(complete));
    else if (flags.engine.length > 0) showSummary(complete);
    await refuseFamily(store, head, flags);
  } finally {
    signals.close();
  }
}

async function stage(
  store: ObjectStore,
  head: BatchFile,
  wanted: Parameters<typeof linkRetry>[2],
  signals: Signals,
): Promise<{ child: BatchFile; linked: LinkedRetry } | null> {
  await assertWritable(store);
  const decoder = openDecoder({ timeLimitMs: decodeLimitMs });
  let rows = 0;
  const progress = showProgress(() => `reading ${head.batch}  ${counted(rows, "row")} to ask again`);
  try {
    const ports = { store, decodeShard: decoder.decode };
    const { at, by } = author();
    const linked = await linkRetry(ports, head, wanted, { at, by });
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
): Promise<CompleteBatch | null> {
  const before = await readState(store, child.batch, child);
  const rows = counted(child.counts.rows, "row");
  if (linked.result === "created") note(`${rows} to ask again, in ${counted(child.chunks.length, "chunk")}`);
  else if (before.state !== "complete") note(`this retry exists: ${count(before.doneRows)} of ${rows} are done`);
  else note(`this retry is complete already; nothing is asked again (--again asks anew what still failed)`);
  const rootId = await openRoot(store, systemClock.random);
  if (flags.engine.length > 0) {
    const startedAt = Date.now();
    const engines = await openNamedEngines(flags, child.model);
    try {
      const tell = flags.json === true ? resultJson : (): void => {};
      const summary = await scoreStaged({ store, engines, rootId }, before, flags, signals, tell);
      return { store, file: child, summary, seconds: (Date.now() - startedAt) / 1_000 };
    } finally {
      await engines.close();
    }
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
  const { rows } = head.counts;
  const ok = familyOk(okRows(await readSummary(store, head.batch)), await readRetries(store, head));
  note(`${head.batch} with its retries: ${count(ok)} of ${counted(rows, "row")} have a reward`);
  if (rows - ok <= head.max_failed * rows) return;
  throw new AssayError("E_ROWS_FAILED", `${count(rows - ok)} of ${counted(rows, "row")} still have no reward`, {
    where: head.batch,
    expected: `at most ${Number((100 * head.max_failed).toFixed(2))} % (--max-failed)`,
    next: commandLine(["failures", head.batch], flags.root),
  });
}
