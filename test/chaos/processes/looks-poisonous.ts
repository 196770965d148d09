import { chunkPartialPrefix, type PartialFile, readPartialKey, shardKey } from "@assay/core";
import type { Ask } from "./engine-gate.ts";
import { readCheckpoint } from "./read-checkpoint.ts";
import type { RunFacts } from "./run-facts.ts";

/** An attempt that is given up puts its `.end` within some tries of two seconds each. */
const endedByMs = 15_000;

/**
 * Whether a row that kills no engine had to look as if it did: two attempts without an end were alone with it and left
 * no result. Each of them looks like a death of the row when an engine of the plan ended while it had the row; when its
 * worker was killed and nobody could tell whether the engine lived, since that ended before the worker, started again,
 * began the chunk, or since the worker had not begun it again when another one judged, who reaches the engine by another
 * address; and when the store was unwell as its end was to be put.
 */
export function looksPoisonous(
  facts: RunFacts,
  name: string,
  { batch, chunk, row }: { readonly batch: string; readonly chunk: number; readonly row: number },
): boolean {
  const judged = judgedAt(facts, batch, chunk);
  const marks = facts.log.flatMap(({ action, key, status, by, at }): Mark[] => {
    if (action !== "PutObject" || status !== 200 || at > judged) return [];
    const file = key.startsWith(chunkPartialPrefix(batch, chunk)) ? readPartialKey(key) : null;
    return file === null ? [] : [{ ...file, key, by, at }];
  });
  const isOver = new Set(
    marks
      .filter(({ kind, key }) => kind === "end" || (kind === "rows" && holds(facts.objects.get(key)?.bytes, row)))
      .map(({ attempt }) => attempt),
  );
  const lone = marks.filter(({ kind, n, attempt }) => kind === "alone" && n === row && !isOver.has(attempt));
  const attempts = new Map(lone.map((mark) => [mark.attempt, mark]));
  const own = facts.asks.filter((ask) => ask.row === name);
  return [...attempts.values()].filter((mark) => looksDeadly(facts, mark, own, marks)).length >= 2;
}

type Mark = PartialFile & { readonly key: string; readonly by: string; readonly at: number };

/** When the attempt began that put the shard: who begins after that is not asked. */
function judgedAt({ log }: RunFacts, batch: string, chunk: number): number {
  const puts = log.filter(({ action, status }) => action === "PutObject" && status === 200);
  const shard = puts.find(({ key }) => key === shardKey(batch, chunk));
  const start = puts.findLast(
    ({ key, by, at }) =>
      key.startsWith(chunkPartialPrefix(batch, chunk)) && key.endsWith(".start") && by === shard?.by && at <= shard.at,
  );
  return start?.at ?? shard?.at ?? Number.POSITIVE_INFINITY;
}

function holds(checkpoint: Uint8Array | undefined, row: number): boolean {
  return checkpoint !== undefined && readCheckpoint(checkpoint).some(({ row_index }) => row_index === row);
}

function looksDeadly(facts: RunFacts, mark: Mark, own: readonly Ask[], marks: readonly Mark[]): boolean {
  const asks = own.filter(({ by, at }) => by === mark.by && at >= mark.at);
  const unwell = (engine: string, fromMs: number, untilMs: number): boolean =>
    facts.engineEnds.some((end) => end.engine === engine && end.atMs <= untilMs && end.untilMs >= fromMs);
  if (asks.some(({ engine, at, endedAt }) => unwell(engine, at, endedAt ?? Number.POSITIVE_INFINITY))) return true;
  const life = facts.lives.find(({ name }) => name === mark.by);
  const overAt = life?.endedAt ?? asks.at(-1)?.endedAt ?? mark.at;
  if (life?.end !== "SIGKILL")
    return facts.storeFaults.some(({ atMs, untilMs }) => atMs <= overAt + endedByMs && untilMs >= overAt - endedByMs);
  const again = marks.find(({ kind, by, at }) => kind === "start" && at > overAt && slotOf(by) === slotOf(mark.by));
  // named and not sent: which engine it was to go to is not told
  const engines = (asks.length > 0 ? asks : facts.engineEnds).map(({ engine }) => engine);
  return again === undefined || engines.some((engine) => unwell(engine, overAt, again.at));
}

/** "w0.12" is the thirteenth process of the worker w0. */
function slotOf(life: string): string | undefined {
  return life.split(".")[0];
}
