import {
  type BatchFile,
  batchFileSchema,
  batchKey,
  isRunnable,
  type ResultRow,
  reward,
  shardKey,
  successKey,
} from "@assay/core";
import { verifyBatch } from "@assay/scoring";
import { memoryStore } from "@assay/testkit";
import { unluckyKey } from "./diary.ts";
import { pairOf } from "./engine-model.ts";
import type { ExpectedRow, NightBatch } from "./night-batch.ts";
import type { Morning } from "./play-night.ts";
import { headOf } from "./process-ports.ts";

/**
 * The laws of a night, from what went in, what engines said and what is stored: nobody's word is taken. Empty = all
 * hold.
 */
export async function checkMorning(morning: Morning): Promise<string[]> {
  const wrong = [...morning.wrong, ...whatVanished(morning)];
  const files = batchFiles(morning);
  for (const { batch } of files)
    if (!morning.batches.some(({ plan }) => plan.batch === headOf(batch))) wrong.push(`P1: ${batch} is nobody's`);
  for (const batch of morning.batches) {
    const family = files.filter((file) => headOf(file.batch) === batch.plan.batch);
    wrong.push(...whatPeopleWereTold(batch, morning), ...(await whatIsWrongIn(family, batch, morning)));
  }
  return wrong;
}

/** A batch and its retries. */
async function whatIsWrongIn(family: readonly BatchFile[], batch: NightBatch, morning: Morning): Promise<string[]> {
  const { plan, rows: expected } = batch;
  if (!family.some((file) => file.batch === plan.batch)) return [`P1: ${plan.batch} was never staged`];
  const wrong: string[] = [];
  /** by row_index, how often it is ok over the family */
  const ok = new Map<number, number>();
  for (const file of family) {
    const success = morning.objects.has(successKey(file.batch));
    const state = morning.diary.batches.get(file.batch)?.state ?? "running";
    if (isRunnable(state) && !success) wrong.push(`no end: ${file.batch} is running in the morning, and not complete`);
    if (success && state !== "complete") wrong.push(`control: ${file.batch} has _SUCCESS and is ${state}`);
    const isChild = file.parent !== undefined;
    const found: ResultRow[] = [];
    for (const [chunk, { rows, row_start }] of file.chunks.entries()) {
      const bytes = morning.objects.get(shardKey(file.batch, chunk));
      if (bytes === undefined) {
        if (success) wrong.push(`P1: ${file.batch} is complete without shard ${chunk}`);
        continue;
      }
      const shard = await morning.decodeShard(bytes);
      if (shard.rows.length !== rows) wrong.push(`P1: shard ${chunk} holds ${shard.rows.length} of ${rows} rows`);
      if (shard.rows[0]?.row_index !== row_start) wrong.push(`P1: shard ${chunk} begins with another row`);
      found.push(...shard.rows);
    }
    if (success && !isChild) wrong.push(...whatIsMissing(found, expected.length));
    for (const row of found) {
      if (row.batch !== file.batch) wrong.push(`P1: row ${row.row_index} of ${row.batch} stands in ${file.batch}`);
      wrong.push(...whatIsWrong(row, expected[row.row_index], morning));
      if (row.status === "ok") ok.set(row.row_index, (ok.get(row.row_index) ?? 0) + 1);
    }
  }
  for (const [row, times] of ok)
    if (times > 1) wrong.push(`P1: row ${row} is ok ${times} times over ${plan.batch} and its retries`);
  return [...wrong, ...(await whatVerifyFinds(plan.batch, morning))];
}

function batchFiles({ objects }: Morning): BatchFile[] {
  return [...objects].flatMap(([key, bytes]) =>
    key === batchKey(key.split("/")[0] ?? "")
      ? [batchFileSchema.parse(JSON.parse(new TextDecoder().decode(bytes)))]
      : [],
  );
}

function whatIsMissing(found: readonly ResultRow[], rows: number): string[] {
  const indices = found.map(({ row_index }) => row_index);
  const inOrder = indices.length === rows && indices.every((index, i) => index === i);
  return inOrder ? [] : [`P1: the shards hold rows ${indices.join(" ")}; the input has ${rows}`];
}

function whatIsWrong(row: ResultRow, expected: ExpectedRow | undefined, morning: Morning): string[] {
  const { log, poisonous } = morning;
  const where = `row ${row.row_index} of ${row.batch}`;
  if (expected === undefined) return [`P1: ${where} is none of the input's`];
  const wrong: string[] = [];
  if (row.input_line !== expected.line) wrong.push(`P1: ${where} says line ${row.input_line}, it is ${expected.line}`);
  if ((row.status === "bad_input") !== (expected.asks === null)) wrong.push(`P1: ${where} is ${row.status}`);
  if (expected.asks !== null && row.principle !== expected.asks.split("|")[1])
    wrong.push(`P1: ${where} has another principle`);
  if ((row.status === "ok") !== (row.reward !== null))
    wrong.push(`P8: ${where} is ${row.status} with reward ${row.reward}`);
  if (row.status === "quarantined" && expected.asks !== poisonous && !mayLookGuilty(row, expected.asks, morning))
    wrong.push(`${where} is quarantined, and kills no engine`);
  if (row.status !== "ok" || expected.asks === null) return wrong;
  if (log.told.get(expected.asks)?.has(pairOf(row.logprob_yes, row.logprob_no)) !== true)
    wrong.push(`P8: ${where} has log-probabilities that no engine told for it`);
  if (row.reward !== reward(row.logprob_yes ?? 0, row.logprob_no ?? 0))
    wrong.push(`P8: ${where} has another reward than its log-probabilities give`);
  return wrong;
}

/**
 * What nobody can tell from a row that kills engines: one that was alone on an engine twice when that died or hung. A
 * worker that was killed is such a death as well, since its engine may have gone with it, but two on one and the same
 * engine process are none, unless they never end.
 */
function mayLookGuilty({ batch, row_index }: ResultRow, asks: string | null, { log, diary }: Morning): boolean {
  const killed = diary.unlucky.get(unluckyKey(batch, row_index)) ?? [];
  const ends = new Set([...killed, ...(log.lone.get(asks ?? "") ?? [])]);
  return ends.size > 1 || killed.length > 5;
}

/** P2: what was stored once stands as it was, outside of partial/. Changes were noted when they happened. */
function whatVanished({ diary, objects }: Morning): string[] {
  return [...diary.first].flatMap(([key, bytes]) => {
    if (key.includes("/partial/")) return [];
    const now = objects.get(key);
    if (now === undefined) return [`P2: ${key} has vanished`];
    return Buffer.compare(now, bytes) === 0 ? [] : [`P2: ${key} has changed`];
  });
}

/** P4: cancelled stays cancelled, paused stays paused, unless somebody asked for it to go on after that. */
function whatPeopleWereTold({ plan: { batch } }: NightBatch, morning: Morning): string[] {
  const state = morning.diary.batches.get(batch)?.state;
  const success = morning.objects.has(successKey(batch));
  const asked = morning.asked.filter((one) => one.batch === batch);
  if (state === "cancelled" && !asked.some(({ verb }) => verb === "cancel"))
    return [`P4: ${batch} is cancelled, and nobody asked for it`];
  return morning.told.flatMap((one) => {
    if (one.batch !== batch || lastRevivedMs(asked) >= one.fromMs) return [];
    if (one.state === "cancelled" && (success || state !== "cancelled"))
      return [`P4: ${one.by} was told "cancelled", and in the morning the batch is ${success ? "complete" : state}`];
    if (one.state === "paused" && state === "running")
      return [`P4: ${one.by} was told "paused", and in the morning the batch is running`];
    return [];
  });
}

/** Whoever asks for it has it go on until the command has come to its end, however often it is typed. */
function lastRevivedMs(asked: Morning["asked"]): number {
  const ends = asked.flatMap(({ verb, untilMs }) => (verb === "resume" || verb === "weigh" ? [untilMs] : []));
  return Math.max(Number.NEGATIVE_INFINITY, ...ends);
}

/** The product's own oracle has to agree. */
async function whatVerifyFinds(batch: string, { objects, night, decodeShard }: Morning): Promise<string[]> {
  const store = memoryStore();
  for (const [key, bytes] of objects) store.objects.set(key, bytes);
  const { broken } = await verifyBatch({ store, decodeShard }, batch, { deep: night.parquet });
  return broken === null ? [] : [`verify: ${broken.promise} ${broken.what} at ${broken.where}`];
}
