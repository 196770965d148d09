import {
  type AssayError,
  type BatchFile,
  type ChunkCost,
  chunkOfShardKey,
  type Forecast,
  forecast,
  isAssayError,
  isEnded,
  shardPrefix,
  visibleText,
  type WorkerState,
} from "@assay/core";
import { openDecoder } from "@assay/datasets";
import { type BatchSummary, findBatch, readShards } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { commandLine } from "../command-line.ts";
import type { JsonFlag, RedisFlags, RootFlags } from "../flags.ts";
import { costOf, forecastText } from "../forecast-text.ts";
import { percent, printable } from "../histogram.ts";
import { openStore } from "../open-store.ts";
import { decodeLimitMs } from "../open-worker.ts";
import { type BatchState, readState, readSummary } from "../read-state.ts";
import { readWorkers } from "../read-workers.ts";
import { canRedraw, count, counted, result, resultJson, terminalWidth } from "../say.ts";
import { screenRows } from "../screen-rows.ts";
import { familyOk, type RetryState, readRetries, retryJson, retryText } from "../show-retries.ts";
import { statusText } from "../show-summary.ts";
import { workerLines } from "../show-workers.ts";
import { systemClock } from "../system-clock.ts";

type StatusFlags = RootFlags & RedisFlags & JsonFlag & { readonly watch?: boolean };

/** Of an unfinished batch so many shards are read, the newest, for counts and forecast: a second or two from a bucket. */
const mostShards = 100;
const watchMs = 2_000;

/**
 * How far a batch is, from the store alone, and, where a Redis is named, what its workers say; `--watch` again every two
 * seconds until it ends. While the store is away there is nothing but what workers say: this is shown before it rejects
 * with E_STORE_UNAVAILABLE; `--watch` waits.
 */
export async function status(text: string, flags: StatusFlags): Promise<void> {
  const store = await openStore(flags.root);
  let file: BatchFile | null = null;
  let before: string[] = [];
  for (;;) {
    const look = await lookAt(store, text, file, flags);
    if (look.away === undefined) file = look.seen.file;
    else if (flags.watch !== true && look.workers === null) throw look.away;
    if (flags.json === true) resultJson(look.away === undefined ? statusJson(look) : awayJson(look, file));
    else before = show(look.away === undefined ? statusLines(look, flags.root) : awayLines(look, text, file), before);
    if (flags.watch !== true && look.away !== undefined) throw look.away;
    if (flags.watch !== true || (look.away === undefined && hasEnded(look.seen, look.retries))) return;
    await systemClock.sleep(watchMs, new AbortController().signal);
  }
}

interface Look {
  readonly away?: undefined;
  readonly seen: BatchState;
  readonly counts: StatusCounts;
  readonly retries: readonly RetryState[];
  /** null: not known, or no matter any more */
  readonly workers: readonly WorkerState[] | null;
}

interface LookInVain {
  /** what the store is told to be away by */
  readonly away: AssayError;
  readonly workers: readonly WorkerState[] | null;
}

async function lookAt(
  store: ObjectStore,
  text: string,
  known: BatchFile | null,
  flags: StatusFlags,
): Promise<Look | LookInVain> {
  try {
    const seen = await readState(store, known?.batch ?? (await findBatch(store, text)), known ?? undefined);
    const counts = await countStatus(store, seen);
    const retries = await readRetries(store, seen.file);
    const workers = isEnded(seen.control.state) ? null : await readWorkers(store, seen.file, flags);
    return { seen, counts, retries, workers };
  } catch (error) {
    if (!isAssayError(error, "E_STORE_UNAVAILABLE")) throw error;
    return { away: error, workers: await readWorkers(store, null, flags) };
  }
}

/** The batch and the retries that follow it: nothing changes any more by itself. */
function hasEnded({ state }: BatchState, retries: readonly RetryState[]): boolean {
  const isOver = (of: BatchState["state"] | undefined): boolean => of === "complete" || of === "cancelled";
  return isOver(state) && retries.every(({ seen }) => isOver(seen?.state));
}

/** Over the last one on a terminal, however its lines wrapped; elsewhere only what changed. */
function show(lines: string[], before: readonly string[]): string[] {
  if (before.length > 0 && process.stdout.isTTY === true && canRedraw())
    process.stdout.write(`\x1b[${screenRows(before.map(visibleText), terminalWidth())}A\x1b[J`);
  else if (lines.join() === before.join()) return lines;
  for (const line of lines) result(line);
  return lines;
}

interface StatusCounts {
  readonly status: BatchSummary["status"];
  /** shards that were read, and how many there are */
  readonly shards: number;
  readonly of: number;
  /** of an unfinished batch, once enough of it was measured */
  readonly forecast: Forecast | null;
}

async function countStatus(store: ObjectStore, seen: BatchState): Promise<StatusCounts> {
  if (seen.state === "complete") {
    const { status, shards } = await readSummary(store, seen.file.batch);
    return { status, shards: shards.length, of: shards.length, forecast: null };
  }
  const sample = await newestChunks(store, seen);
  const costs: ChunkCost[] = [];
  const counts: { [name: string]: number } = {};
  const decoder = openDecoder({ timeLimitMs: decodeLimitMs });
  try {
    for await (const { rows } of readShards({ store, decodeShard: decoder.decode }, seen.file, sample)) {
      for (const row of rows) counts[row.status] = (counts[row.status] ?? 0) + 1;
      const cost = costOf(rows);
      if (cost !== null) costs.push(cost);
    }
  } finally {
    await decoder.close();
  }
  const rowsLeft = seen.file.counts.rows - seen.doneRows;
  return {
    status: counts,
    shards: sample.length,
    of: seen.doneChunks,
    forecast: rowsLeft === 0 ? null : forecast(costs, rowsLeft),
  };
}

/** Chunks whose shards were committed last, so far as the store's own times tell. */
async function newestChunks(store: ObjectStore, { file }: BatchState): Promise<number[]> {
  const found: { chunk: number; modified: number }[] = [];
  for await (const { key, modified = 0 } of store.list(shardPrefix(file.batch))) {
    const chunk = chunkOfShardKey(key);
    if (chunk !== null && chunk < file.chunks.length) found.push({ chunk, modified });
  }
  return found
    .sort((a, b) => b.modified - a.modified)
    .slice(0, mostShards)
    .map(({ chunk }) => chunk)
    .sort((a, b) => a - b);
}

function statusLines({ seen, counts, retries, workers }: Look, root: string | undefined): string[] {
  const { file, control, doneRows, doneChunks, pin } = seen;
  const { last } = control;
  const ok = familyOk(counts.status.ok ?? 0, retries);
  const partly =
    counts.shards < counts.of ? ` (in the last ${count(counts.shards)} of ${counted(counts.of, "shard")})` : "";
  const told =
    last !== null && seen.state !== "complete" && seen.state !== "finishing"
      ? `, ${seen.state} since ${last.at} by ${printable(last.by, 80)}`
      : "";
  return [
    `${file.batch}  ${seen.state}`,
    line("rows", `${count(doneRows)} of ${count(file.counts.rows)}, ${percent(doneRows, file.counts.rows)}`),
    line("chunks", `${count(doneChunks)} of ${count(file.chunks.length)}`),
    line("status", `${statusText(counts.status)}${partly}`),
    ...(counts.forecast === null
      ? []
      : [
          line(
            "forecast",
            `${forecastText(counts.forecast, file)}, measured until ${new Date(counts.forecast.measuredUntil).toISOString()}`,
          ),
        ]),
    ...lines("retries", retries.map(retryText)),
    ...(retries.length === 0
      ? []
      : [line("in all", `${count(ok)} of ${counted(file.counts.rows, "row")} have a reward`)]),
    ...(file.parent === undefined ? [] : [line("retry of", file.parent.batch)]),
    line("model", `${file.model}${file.revision === null ? "" : `@${file.revision}`}, profile ${file.profile.name}`),
    ...(pin?.simulated === true ? [line("engine", "simulated: these rewards are not judgements")] : []),
    line("created", `${file.created_at}${told}`),
    ...(control.weight === 1 ? [] : [line("weight", `${control.weight}, beside other batches of weight 1`)]),
    ...(last?.reason == null || seen.state !== "paused" ? [] : [line("reason", printable(last.reason, 1_000))]),
    ...lines("workers", workers === null ? [] : workerLines(workers, file.batch)),
    line("next", nextCommand(openMember(seen, retries), root)),
  ];
}

function line(name: string, text: string): string {
  return `  ${name.padEnd(10)}${text}`;
}

function lines(name: string, texts: readonly string[]): string[] {
  return texts.map((text, i) => line(i === 0 ? name : "", text));
}

/** Of a batch whose store is away. */
function awayLines({ away, workers }: LookInVain, text: string, file: BatchFile | null): string[] {
  const said = [away.message, ...(away.got === undefined ? [] : [away.got])].join(": ");
  return [
    `${file?.batch ?? text}  not known: the store does not answer`,
    line("store", printable(said, 1_000)),
    ...lines("workers", workers === null ? [] : workerLines(workers, file?.batch ?? null)),
  ];
}

function awayJson({ away, workers }: LookInVain, file: BatchFile | null) {
  const { code, message, got = null } = away;
  return { batch: file?.batch ?? null, state: null, store: { code, message, got }, workers };
}

/** A complete batch waits for its retry: what is to be done is to be done there. */
function openMember(seen: BatchState, retries: readonly RetryState[]): BatchState {
  const open = retries.find((retry) => retry.seen !== null && retry.seen.state !== "complete");
  return seen.state === "complete" ? (open?.seen ?? seen) : seen;
}

function nextCommand({ state, file }: BatchState, root: string | undefined): string {
  if (state === "paused" || state === "cancelled") return commandLine(["resume", file.batch], root);
  if (state === "complete") return commandLine(["verify", file.batch], root);
  return commandLine(["wait", file.batch], root);
}

function statusJson({ seen, counts, retries, workers }: Look) {
  const { file, control, pin } = seen;
  return {
    batch: file.batch,
    state: seen.state,
    weight: control.weight,
    reason: control.last?.reason ?? null,
    by: control.last?.by ?? null,
    at: control.last?.at ?? null,
    rows: file.counts.rows,
    done: seen.doneRows,
    chunks: file.chunks.length,
    done_chunks: seen.doneChunks,
    status: counts.status,
    status_of_shards: counts.shards,
    forecast: counts.forecast,
    retry_of: file.parent?.batch ?? null,
    retries: retries.map(retryJson),
    ok_with_retries: familyOk(counts.status.ok ?? 0, retries),
    workers,
    simulated: pin?.simulated ?? null,
    model: file.model,
    revision: file.revision,
    profile: file.profile.name,
    tags: file.tags,
    created_at: file.created_at,
  };
}
