import { type BatchFile, type ChunkCost, forecast, toAssayError } from "@assay/core";
import { type BatchSummary, readLedger, type WorkerEvent } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { afterDrain } from "./after-drain.ts";
import { chooseModel, splitModel } from "./choose-profile.ts";
import { tellDetacher } from "./detach.ts";
import { drainSignals } from "./drain-signals.ts";
import type { DrainFlags, EngineFlags, JsonFlag, PlanFlags, RedisFlags, RootFlags } from "./flags.ts";
import { forecastText } from "./forecast-text.ts";
import { noteEvent } from "./note-event.ts";
import type { Signals } from "./on-signals.ts";
import { type OpenedEngines, openNamedEngines } from "./open-engines.ts";
import { openInputs } from "./open-inputs.ts";
import { namedRedis, openAnyQueue } from "./open-queue.ts";
import { openStore } from "./open-store.ts";
import { countRows, runHere } from "./open-worker.ts";
import { prepareHangUp } from "./output-file.ts";
import { noteOddities, noteScoredInputs, planInputs } from "./plan-inputs.ts";
import { createSpeed, progressText, showProgress } from "./progress.ts";
import { type BatchState, readState, readSummary } from "./read-state.ts";
import { count, counted, note, resultJson } from "./say.ts";
import type { CompleteBatch } from "./show-summary.ts";
import { refuseCancelled, stagePlan } from "./stage-plan.ts";
import { whyNotDone } from "./why-not-done.ts";

export type ScoreFlags = RootFlags & RedisFlags & EngineFlags & DrainFlags & PlanFlags & JsonFlag;

/** Other workers may be at the batch, too: the ledger tells what they did. */
const lookAtLedgerMs = 30_000;

/**
 * submit + worker + wait in this process: plans, stages, and works until the batch is complete. A batch that is
 * complete already is only looked at. Rejects with why it is not complete: drained (75), paused (3), cancelled (2),
 * or what planning, staging, Redis and engines throw. Everything that was opened is closed again, Redis included.
 */
export async function scoreInputs(inputs: readonly string[], flags: ScoreFlags): Promise<CompleteBatch> {
  const startedAt = Date.now();
  const tell = flags.json === true ? resultJson : (): void => {};
  const signals = drainSignals(flags, prepareHangUp("score"));
  const opened: { close(): Promise<void> }[] = [];
  try {
    const store = await openStore(flags.root);
    const named = flags.model === undefined ? undefined : splitModel(flags.model).model;
    const engines = await openNamedEngines(flags, named);
    opened.push(engines);
    const sources = await openInputs(inputs, { signal: signals.drain });
    opened.push(sources);
    const chosen = await chooseModel(flags, async () => (await engines.models()).flatMap(({ models }) => models));
    const planned = await planInputs(store, sources, flags, chosen, signals.drain);
    const { batch, counts } = planned.planned.file;
    tell({ type: "planned", batch, ...counts });
    noteOddities(planned);
    const { file, result, rootId } = await stagePlan(store, planned, sources, signals.drain);
    await refuseCancelled(store, batch, flags.root);
    const before = await readState(store, batch, file);
    noteStart(before, result);
    if (result === "created") await noteScoredInputs(store, file);
    const summary = await scoreStaged({ store, engines, rootId }, before, flags, signals, tell);
    return { store, file, summary, seconds: (Date.now() - startedAt) / 1_000 };
  } finally {
    for (const each of opened.reverse()) {
      // the work is done or its error is on its way: a failing farewell must not hide it
      await each.close().catch((error: unknown) => note(toAssayError(error).message));
    }
    signals.close();
  }
}

/** Works on a batch that is staged until it is complete. Rejects with why it is not, as scoreInputs does. */
export async function scoreStaged(
  { store, engines, rootId }: { store: ObjectStore; engines: OpenedEngines; rootId: string },
  before: BatchState,
  flags: RootFlags & RedisFlags & DrainFlags,
  signals: Signals,
  tell: (event: unknown) => void,
): Promise<BatchSummary> {
  const { file } = before;
  if (before.state !== "complete" && before.state !== "paused" && !signals.drain.aborted) {
    // an engine that is down now is the person's to start; one that goes down later is waited for
    await engines.models();
    const queue = await openAnyQueue(namedRedis(flags.redis), rootId, file.model);
    try {
      note(`asking ${engines.described}; chunks are handed out by ${queue.where}`);
      tellDetacher();
      await work({ store, rootId, queue: queue.queue, engines }, before, flags, signals, tell);
    } finally {
      await queue.close().catch((error: unknown) => note(toAssayError(error).message));
    }
  }
  const after = await afterDrain(signals.drain, file.batch, readState(store, file.batch, file));
  if (after.state !== "complete") {
    tell({ batch: file.batch, state: after.state, rows: file.counts.rows, done: after.doneRows });
    throw whyNotDone(after, flags.root);
  }
  return readSummary(store, file.batch);
}

function noteStart(before: BatchState, result: "created" | "exists"): void {
  const { batch, counts, chunks } = before.file;
  if (result === "created") {
    note(
      `${batch}: ${counted(counts.records, "record")}, ${counted(counts.rows, "row")} in ${counted(chunks.length, "chunk")}`,
    );
  } else if (before.state === "complete") {
    note(`${batch} is complete already; nothing is asked again`);
  } else if (before.state !== "paused") {
    note(`${batch} goes on: ${count(before.doneRows)} of ${counted(counts.rows, "row")} are done`);
  }
}

async function work(
  ports: Parameters<typeof runHere>[0],
  before: BatchState,
  flags: DrainFlags,
  signals: Signals,
  tell: (event: unknown) => void,
): Promise<void> {
  const { file } = before;
  const missing = new Set(before.missing);
  const rows = countRows(file, new Set([...file.chunks.keys()].filter((chunk) => !missing.has(chunk))));
  const speed = createSpeed(Date.now(), rows.rows);
  const progress = showProgress(() =>
    signals.drain.aborted
      ? `draining  ${count(rows.rows)}/${count(file.counts.rows)} rows are done`
      : progressText("scoring", {
          rows: rows.rows,
          total: file.counts.rows,
          failed: rows.failed,
          rowsPerSecond: speed.rowsPerSecond(Date.now()),
        }),
  );
  const foretell = tellForecast(file, rows, tell);
  const looking = setInterval(() => void lookAtLedger(ports.store, file, rows), lookAtLedgerMs);
  looking.unref();
  try {
    await runHere(ports, {
      model: file.model,
      only: file.batch,
      untilIdle: true,
      drainMs: flags.drainSeconds * 1_000,
      signals,
      onEvent: (event) => {
        if (event.type !== "chunk") return noteEvent(event, tell);
        noteChunk(event, rows, tell);
        foretell(event);
        speed.add(Date.now(), rows.rows);
      },
    });
  } finally {
    clearInterval(looking);
    progress.stop();
  }
}

/** Says once, when enough was measured, how long the rest takes: the person may still be there. */
function tellForecast(file: BatchFile, rows: RowCount, tell: (event: unknown) => void) {
  const costs: ChunkCost[] = [];
  let told = false;
  return ({ outcome }: WorkerEvent & { type: "chunk" }): void => {
    if (told || outcome.kind !== "committed") return;
    costs.push({ at: Date.now(), rows: outcome.rows - outcome.saved, tokens: outcome.tokens });
    const left = file.counts.rows - rows.rows;
    const made = left === 0 ? null : forecast(costs, left);
    if (made === null) return;
    told = true;
    note(`forecast: ${forecastText(made, file)}`);
    tell({ type: "forecast", ...made });
  };
}

type RowCount = ReturnType<typeof countRows>;

function noteChunk(event: WorkerEvent & { type: "chunk" }, rows: RowCount, tell: (event: unknown) => void): void {
  const { chunk, outcome, ms } = event;
  if (outcome.kind === "committed" || outcome.kind === "lost-race") {
    // of a lost race the winner's rows count, and how many failed there is not known here
    rows.add(chunk, outcome.kind === "committed" ? outcome.rows - outcome.ok : 0);
    tell({ type: "chunk", chunk, outcome: outcome.kind, rows: outcome.rows, ok: outcome.ok, ms });
  } else if (outcome.kind === "exists") {
    rows.add(chunk, 0);
  }
}

async function lookAtLedger(store: ObjectStore, file: BatchFile, rows: RowCount): Promise<void> {
  const ledger = await readLedger(store, file).catch(() => null);
  for (const [chunk, done] of (ledger?.done ?? []).entries()) if (done === 1) rows.add(chunk, 0);
}
