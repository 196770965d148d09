import { type ChunkCost, chunkOfShardKey, type Forecast, forecast, shardPrefix } from "@assay/core";
import { openDecoder } from "@assay/datasets";
import { type BatchSummary, findBatch, readShards } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { commandLine } from "../command-line.ts";
import type { JsonFlag, RootFlags } from "../flags.ts";
import { costOf, forecastText } from "../forecast-text.ts";
import { percent, printable } from "../histogram.ts";
import { openStore } from "../open-store.ts";
import { decodeLimitMs } from "../open-worker.ts";
import { type BatchState, readState, readSummary } from "../read-state.ts";
import { canRedraw, count, counted, result, resultJson } from "../say.ts";
import { familyOk, type RetryState, readRetries, retryJson, retryText } from "../show-retries.ts";
import { statusText } from "../show-summary.ts";
import { systemClock } from "../system-clock.ts";

type StatusFlags = RootFlags & JsonFlag & { readonly watch?: boolean };

/** Of an unfinished batch so many shards are read, the newest, for counts and forecast: a second or two from a bucket. */
const mostShards = 100;
const watchMs = 2_000;

/** How far a batch is, from the store alone; `--watch` again every two seconds until it ends. */
export async function status(text: string, flags: StatusFlags): Promise<void> {
  const store = await openStore(flags.root);
  const batch = await findBatch(store, text);
  let seen = await readState(store, batch);
  let before: string[] = [];
  for (;;) {
    const counts = await countStatus(store, seen);
    const retries = await readRetries(store, seen.file);
    if (flags.json === true) resultJson(statusJson(seen, counts, retries));
    else before = show(statusLines(seen, counts, retries, flags.root), before);
    if (flags.watch !== true || hasEnded(seen, retries)) return;
    await systemClock.sleep(watchMs, new AbortController().signal);
    seen = await readState(store, batch, seen.file);
  }
}

/** The batch and the retries that follow it: nothing changes any more by itself. */
function hasEnded({ state }: BatchState, retries: readonly RetryState[]): boolean {
  const isOver = (of: BatchState["state"] | undefined): boolean => of === "complete" || of === "cancelled";
  return isOver(state) && retries.every(({ seen }) => isOver(seen?.state));
}

/** Over the last one on a terminal; elsewhere only what changed. */
function show(lines: string[], before: readonly string[]): string[] {
  if (before.length > 0 && process.stdout.isTTY === true && canRedraw())
    process.stdout.write(`\x1b[${before.length}A\x1b[J`);
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

function statusLines(
  seen: BatchState,
  counts: StatusCounts,
  retries: readonly RetryState[],
  root: string | undefined,
): string[] {
  const { file, control, doneRows, doneChunks, pin } = seen;
  const { last } = control;
  const ok = familyOk(counts.status.ok ?? 0, retries);
  const line = (name: string, text: string): string => `  ${name.padEnd(10)}${text}`;
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
    ...retries.map((retry, i) => line(i === 0 ? "retries" : "", retryText(retry))),
    ...(retries.length === 0
      ? []
      : [line("in all", `${count(ok)} of ${counted(file.counts.rows, "row")} have a reward`)]),
    ...(file.parent === undefined ? [] : [line("retry of", file.parent.batch)]),
    line("model", `${file.model}${file.revision === null ? "" : `@${file.revision}`}, profile ${file.profile.name}`),
    ...(pin?.simulated === true ? [line("engine", "simulated: these rewards are not judgements")] : []),
    line("created", `${file.created_at}${told}`),
    ...(control.weight === 1 ? [] : [line("weight", `${control.weight}, beside other batches of weight 1`)]),
    ...(last?.reason == null || seen.state !== "paused" ? [] : [line("reason", printable(last.reason, 1_000))]),
    line("next", nextCommand(seen, root)),
  ];
}

function nextCommand({ state, file }: BatchState, root: string | undefined): string {
  if (state === "paused" || state === "cancelled") return commandLine(["resume", file.batch], root);
  if (state === "complete") return commandLine(["verify", file.batch], root);
  return commandLine(["wait", file.batch], root);
}

function statusJson(seen: BatchState, counts: StatusCounts, retries: readonly RetryState[]) {
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
    simulated: pin?.simulated ?? null,
    model: file.model,
    revision: file.revision,
    profile: file.profile.name,
    tags: file.tags,
    created_at: file.created_at,
  };
}
