import { AssayError, isAssayError } from "@assay/core";
import { findBatch, isIdle, openRoot, type WorkerEvent } from "@assay/scoring";
import type { Logger } from "pino";
import { afterDrain } from "../after-drain.ts";
import { drainSignals } from "../drain-signals.ts";
import type { DrainFlags, EngineFlags, JsonFlag, RedisFlags, RootFlags } from "../flags.ts";
import { noteEvent } from "../note-event.ts";
import type { Signals } from "../on-signals.ts";
import { type OpenedEngines, openNamedEngines } from "../open-engines.ts";
import { openLog } from "../open-log.ts";
import { namedRedis, openNamedQueue, refuseNoRedis } from "../open-queue.ts";
import { assertWritable, openStore } from "../open-store.ts";
import { runHere } from "../open-worker.ts";
import { prepareHangUp } from "../output-file.ts";
import { createSpeed, showProgress, workerText } from "../progress.ts";
import { note, noteInto } from "../say.ts";
import { systemClock } from "../system-clock.ts";

type WorkerFlags = RootFlags &
  RedisFlags &
  EngineFlags &
  DrainFlags &
  JsonFlag & { readonly model?: string; readonly batch?: string; readonly untilIdle?: boolean };

/** An engine that loads its weights is asked again this often. */
const engineMs = 10_000;

/** Takes chunks of every batch of the root that its engines can score, until it is stopped or, if wanted, idle. */
export async function worker(flags: WorkerFlags): Promise<void> {
  const url = namedRedis(flags.redis);
  if (url === undefined) throw refuseNoRedis();
  const log = flags.json === true ? openLog() : null;
  if (log !== null) noteInto((text) => log.info(text));
  const store = await openStore(flags.root);
  const signals = drainSignals(flags, prepareHangUp("worker"));
  const opened: { close(): Promise<void> }[] = [];
  try {
    const only = flags.batch === undefined ? null : await findBatch(store, flags.batch);
    const engines = await openNamedEngines(flags, flags.model);
    opened.push(engines);
    const model = flags.model ?? (await onlyModel(engines, signals));
    if (model === null) return;
    await assertWritable(store);
    const rootId = await openRoot(store, systemClock.random);
    const queue = await openNamedQueue(url, rootId, model);
    opened.push(queue);
    note(`working for ${store.uri}, model ${model}, engines ${engines.described}, Redis ${queue.where}`);
    const watching = watch(log);
    const end = await runHere(
      { store, rootId, queue: queue.queue, engines },
      {
        model,
        only,
        untilIdle: flags.untilIdle === true,
        drainMs: flags.drainSeconds * 1_000,
        signals,
        onEvent: watching.onEvent,
      },
    ).finally(watching.stop);
    // a scheduler starts a worker again that was stopped in the middle, and lets one rest that had nothing to do
    const nothingLeft = (): Promise<boolean> => afterDrain(signals.drain, store.uri, isIdle(store, model, only));
    if (end === "drained" && !(await nothingLeft().catch(() => false))) throw workIsLeft(store.uri);
    note(end === "idle" ? "no work is left" : "drained; no work is left");
  } finally {
    for (const each of opened.reverse()) await each.close().catch(() => {});
    signals.close();
  }
}

function workIsLeft(root: string): AssayError {
  return new AssayError(
    "E_NOT_FINISHED",
    "drained; other workers, or this one again, go on with the work that is left",
    {
      where: root,
    },
  );
}

/** The one model that the engines serve; waits until one of them answers. Null when told to stop meanwhile. */
async function onlyModel(engines: OpenedEngines, signals: Signals): Promise<string | null> {
  for (let round = 0; !signals.drain.aborted; round += 1) {
    try {
      const served = [...new Set((await engines.models("answering")).flatMap(({ models }) => models))];
      const [model] = served;
      if (model !== undefined && served.length === 1) return model;
      throw new AssayError("E_USAGE", "the engines serve more than one model", {
        expected: "--model with one of them",
        got: served.join(", ") || "none",
      });
    } catch (error) {
      if (!isAssayError(error, "E_ENGINE_UNREACHABLE")) throw error;
      if (round === 0)
        note(`${error.message}${error.where === undefined ? "" : ` (${error.where})`}; asking again every 10 s`);
      await systemClock.sleep(engineMs, signals.drain);
    }
  }
  return null;
}

/** Progress for people, or one JSON line an event on stderr for machines. */
function watch(log: Logger | null): { onEvent: (event: WorkerEvent) => void; stop: () => void } {
  let rows = 0;
  let failed = 0;
  let chunks = 0;
  const speed = createSpeed(Date.now(), 0);
  const count = (event: WorkerEvent & { type: "chunk" }): void => {
    if (event.outcome.kind !== "committed") return;
    chunks += 1;
    rows += event.outcome.rows;
    failed += event.outcome.rows - event.outcome.ok;
    speed.add(Date.now(), rows);
  };
  if (log !== null) {
    const onEvent = (event: WorkerEvent): void => {
      if (event.type === "away") log.warn({ what: event.what, code: event.error.code }, event.error.message);
      else if (event.type === "refused") log.error({ batch: event.batch, code: event.error.code }, event.error.message);
      else if (event.type === "paused") log.error({ batch: event.batch, reason: event.reason }, "paused");
      else if (event.type === "spooled" || event.type === "unspooled") log.warn(event, "spool");
      else if (event.type === "way") {
        const { batch, engine, way, reason } = event;
        log.warn({ batch, engine, way, reason }, "way of reading");
      } else if (event.type === "finished") log.info({ batch: event.batch }, "finished");
      else log.info({ batch: event.batch, chunk: event.chunk, ms: event.ms, ...event.outcome }, "chunk");
    };
    return { onEvent, stop: () => {} };
  }
  const progress = showProgress(() =>
    workerText({ rows, chunks, failed, rowsPerSecond: speed.rowsPerSecond(Date.now()) }),
  );
  const onEvent = (event: WorkerEvent): void => {
    if (event.type === "chunk") count(event);
    else if (event.type === "finished") note(`${event.batch} is complete`);
    else noteEvent(event, () => {});
  };
  return { onEvent, stop: () => progress.stop() };
}
