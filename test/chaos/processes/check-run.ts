import { isEngineSide, readPartialKey } from "@assay/core";
import { decodeShard } from "@assay/datasets";
import type { S3LogEntry } from "@assay/testkit";
import type { Ask } from "./engine-gate.ts";
import { looksPoisonous } from "./looks-poisonous.ts";
import { readCheckpoint } from "./read-checkpoint.ts";
import type { BatchFacts, RunFacts } from "./run-facts.ts";
import { inFlight } from "./start-rig.ts";

export interface Findings {
  /** of what has to be whole, and those that cancelled batches kept */
  rows: number;
  lost: number;
  doubled: number;
  /** rewards of rows that are not ok, or other ones than an undisturbed engine gives */
  invented: number;
  withoutReward: number;
  /** rows that ended as poison since engines seemed to die under them twice: nobody could tell them from one that kills */
  quarantined: number;
  /** requests for a row beyond its first, whatever the reason */
  askedAgain: number;
  /** asked again although the asker could have read its result in a checkpoint */
  checkpointedAskedAgain: number;
  kills: number;
  /** rows that one kill made be asked again, at most, and what it may cost at most there */
  largestWaste: number;
  boundThere: number;
  wasteOverBound: number;
  /** what is wrong, in sentences; empty = the promises held */
  broken: string[];
}

/** Reads input and store alone, and what the engines were asked. */
export async function checkRun(facts: RunFacts): Promise<Findings> {
  const found: Findings = {
    rows: 0,
    lost: 0,
    doubled: 0,
    invented: 0,
    withoutReward: 0,
    quarantined: 0,
    askedAgain: 0,
    checkpointedAskedAgain: 0,
    kills: 0,
    largestWaste: 0,
    boundThere: 0,
    wasteOverBound: 0,
    broken: [],
  };
  const places = new Map<string, Place>();
  for (const [batch, own] of facts.batches) await checkBatch(facts, batch, own, found, places);
  const asked = groupBy(facts.asks, ({ row }) => row);
  for (const asks of asked.values()) found.askedAgain += asks.length - 1;
  checkCheckpoints(facts, places, found);
  checkWaste(facts, places, asked, found);
  if (found.lost > 0) found.broken.push(`${found.lost} rows are lost`);
  if (found.doubled > 0) found.broken.push(`${found.doubled} rows are doubled`);
  if (found.invented > 0) found.broken.push(`${found.invented} rewards are invented`);
  if (found.checkpointedAskedAgain > 0)
    found.broken.push(`${found.checkpointedAskedAgain} rows were asked again although a checkpoint held them`);
  if (found.wasteOverBound > 0) found.broken.push(`${found.wasteOverBound} kills wasted more than their bound`);
  return found;
}

interface Place {
  readonly batch: string;
  readonly chunk: number;
}

async function checkBatch(
  facts: RunFacts,
  batch: string,
  { names, isWhole }: BatchFacts,
  found: Findings,
  places: Map<string, Place>,
): Promise<void> {
  const seen = new Map<number, number>();
  const expected = facts.expected.get(batch);
  for (const [key, { bytes }] of facts.objects) {
    const chunk = new RegExp(`^${batch}/rewards/(\\d+)\\.parquet$`).exec(key)?.[1];
    if (chunk === undefined) continue;
    const { rows } = await decodeShard(bytes);
    for (const row of rows) {
      const at = row.row_index;
      const name = names.get(at);
      if (name === undefined) found.broken.push(`${key} holds row ${at}, which no input has`);
      seen.set(at, (seen.get(at) ?? 0) + 1);
      places.set(name ?? "", { batch, chunk: Number(chunk) });
      if (row.status !== "ok") found.withoutReward += 1;
      if (row.status === "quarantined") {
        if (looksPoisonous(facts, name ?? "", { batch, chunk: Number(chunk), row: at })) found.quarantined += 1;
        else found.broken.push(`${key} row ${at} was quarantined, and kills no engine`);
      }
      const wanted = expected?.get(at);
      const isRight = row.status === "ok" ? isSame(row.reward, wanted) : row.reward === null;
      if (isRight) continue;
      found.invented += 1;
      if (found.invented <= 5)
        found.broken.push(
          `${key} row ${at}: ${row.status}, reward ${row.reward}, an undisturbed engine gives ${wanted}`,
        );
    }
  }
  found.rows += isWhole ? names.size : seen.size;
  found.lost += isWhole ? [...names.keys()].filter((at) => !seen.has(at)).length : 0;
  found.doubled += [...seen.values()].filter((count) => count > 1).length;
}

/** Two ways of reading may differ in the last bits. */
function isSame(reward: number | null, wanted: number | null | undefined): boolean {
  return reward !== null && wanted !== null && wanted !== undefined && Math.abs(reward - wanted) < 1e-6;
}

/** Clocks of the store and of the gates are one; a put that is under way is not there yet. */
const settleMs = 500;

/**
 * Whoever reads a chunk's lines lists its checkpoints then: what stood there before must not be asked again, but for what
 * an engine did to a lone row, which is saved only so that it is no death.
 */
function checkCheckpoints(facts: RunFacts, places: ReadonlyMap<string, Place>, found: Findings): void {
  const putAt = new Map<string, number>();
  for (const { action, key, status, at } of facts.log)
    if (action === "PutObject" && status === 200 && !putAt.has(key)) putAt.set(key, at);
  const savedAt = new Map<string, number>();
  for (const [key, { bytes }] of facts.objects) {
    const file = readPartialKey(key);
    const batch = key.split("/")[0] ?? "";
    const names = facts.batches.get(batch)?.names;
    const at = putAt.get(key);
    if (file?.kind !== "rows" || names === undefined || at === undefined) continue;
    for (const { row_index, status } of readCheckpoint(bytes)) {
      if (isEngineSide(status)) continue;
      const name = names.get(row_index) ?? "";
      savedAt.set(name, Math.min(at, savedAt.get(name) ?? Number.POSITIVE_INFINITY));
    }
  }
  const reads = groupBy(
    facts.log.filter(({ action, key }) => action === "GetObject" && key.includes("/rows/")).filter(isFirstTry()),
    ({ by, key }) => `${by} ${key}`,
  );
  for (const { row, by, at } of facts.asks) {
    const saved = savedAt.get(row);
    const place = places.get(row);
    if (saved === undefined || place === undefined || saved + settleMs > at) continue;
    const key = `${place.batch}/rows/${String(place.chunk).padStart(6, "0")}.jsonl.gz`;
    const began = reads.get(`${by} ${key}`)?.findLast((read) => read.at <= at)?.at;
    if (began !== undefined && saved + settleMs < began) {
      found.checkpointedAskedAgain += 1;
      if (found.checkpointedAskedAgain <= 5)
        found.broken.push(`${row} was asked by ${by} ${at - saved} ms after a checkpoint held it`);
    }
  }
}

/** Leaves repeated tries out: the list beside them may be older than the try that the store answered. */
function isFirstTry(): (entry: S3LogEntry) => boolean {
  const failed = new Set<string>();
  return ({ by, key, status }) => {
    const one = `${by} ${key}`;
    const isFirst = !failed.delete(one);
    if (status !== 200) failed.add(one);
    return isFirst;
  };
}

/** A checkpoint is put when so many rows of a chunk wait. */
const saveAtRows = 64;

/**
 * P3 for every life that was killed: the rows that it had asked and somebody asked again afterwards are at most those
 * in flight then and one unsaved checkpoint for each chunk that it had in hand.
 */
function checkWaste(
  facts: RunFacts,
  places: ReadonlyMap<string, Place>,
  asked: ReadonlyMap<string, readonly Ask[]>,
  found: Findings,
): void {
  for (const { name, end, endedAt, startedAt } of facts.lives) {
    if (end !== "SIGKILL" || endedAt === null) continue;
    found.kills += 1;
    const own = new Set(facts.asks.filter(({ by, at }) => by === name && at <= endedAt).map(({ row }) => row));
    const again = [...own].filter((row) => asked.get(row)?.some(({ at, by }) => by !== name && at > endedAt));
    const chunks = new Set(again.map((row) => `${places.get(row)?.batch} ${places.get(row)?.chunk}`));
    const bound = 2 * inFlight + saveAtRows * chunks.size;
    const isStoreSick = facts.storeFaults.some(({ atMs, untilMs }) => atMs <= endedAt && untilMs >= startedAt);
    if (again.length > found.largestWaste) {
      found.largestWaste = again.length;
      found.boundThere = bound;
    }
    if (again.length > bound && !isStoreSick) found.wasteOverBound += 1;
  }
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
