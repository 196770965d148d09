import type { ReadWay } from "@assay/core";
import { startLimiter } from "./limiter.ts";
import { plainReading, seededReading } from "./plan-bench.ts";
import type { BenchMeasured, BenchStart } from "./run-bench.ts";

/** A cell over its rounds: medians, and the median of the ratios to its round's baseline. */
export interface BenchLine {
  readonly name: string;
  readonly in_flight: number;
  readonly rounds: number;
  readonly rows_per_second: number;
  readonly tokens_per_second: number;
  /** tokens per second, of the baseline's in the same round: no log-probabilities, or the fewest in flight */
  readonly ratio: number | null;
  /** the least and the greatest of the rounds */
  readonly ratio_range: readonly [number, number] | null;
  readonly cached_share: number | null;
  readonly preemptions_per_row: number | null;
  readonly failed: number;
  readonly failure: string | null;
}

export interface BenchSummary {
  readonly reading: readonly BenchLine[];
  readonly in_flight: readonly BenchLine[];
  /** of the in-flight lines, by tokens per second */
  readonly best: number | null;
  /** what the limiter would begin with, if it knew these rows; null without /metrics */
  readonly limiter_start: number | null;
  /** whole rows that the KV cache holds */
  readonly capacity: number | null;
  readonly way: ReadWay | null;
  readonly advice: readonly string[];
}

/** A ratio nearer to 1 than this is no difference. */
const noise = 0.05;
/** Below it the second request is computed for the most part, not found. */
const lowCachedShare = 0.5;

/** The figures of a bench, whole or stopped, and what follows from them. `own`: the profile's way of reading. Pure. */
export function sumUpBench(
  start: BenchStart,
  measured: readonly BenchMeasured[],
  { ways, own }: { ways: readonly ReadWay[]; own: ReadWay },
): BenchSummary {
  const reading = linesOf(measured, "reading", plainReading);
  const curve = measured.filter(({ cell }) => cell.group === "in-flight");
  const fewest = curve.toSorted((a, b) => a.cell.inFlight - b.cell.inFlight)[0]?.cell.name ?? "";
  const inFlight = linesOf(measured, "in-flight", fewest).toSorted((a, b) => a.in_flight - b.in_flight);
  const best = inFlight.toSorted((a, b) => b.tokens_per_second - a.tokens_per_second)[0] ?? null;
  const live = start.promptTokens + start.answerTokens / 2;
  const limiterStart = start.kvTokens === null ? null : startLimiter(start.kvTokens, live).limit;
  const way = bestWay(reading, ways, own);
  return {
    reading,
    in_flight: inFlight,
    best: best?.in_flight ?? null,
    limiter_start: limiterStart,
    capacity: start.plan.capacity,
    way,
    advice: [
      ...adviseWay(reading, way, own),
      ...adviseSeed(reading),
      ...adviseInFlight(best, limiterStart, start.plan.capacity),
    ],
  };
}

function linesOf(measured: readonly BenchMeasured[], group: string, baseline: string): BenchLine[] {
  const ofGroup = measured.filter(({ cell }) => cell.group === group);
  const names = [...new Set(ofGroup.map(({ cell }) => cell.name))];
  const baselines = ofGroup.filter(({ cell }) => cell.name === baseline);
  return names.map((name) => {
    const rounds = ofGroup.filter(({ cell }) => cell.name === name);
    // the nth of each is of the nth round
    const ratios = rounds.flatMap(({ tokensPerSecond }, i) => {
      const base = baselines[i]?.tokensPerSecond ?? 0;
      return base > 0 ? [tokensPerSecond / base] : [];
    });
    return {
      name,
      in_flight: rounds[0]?.cell.inFlight ?? 0,
      rounds: rounds.length,
      rows_per_second: median(rounds.map((one) => one.rowsPerSecond)) ?? 0,
      tokens_per_second: median(rounds.map((one) => one.tokensPerSecond)) ?? 0,
      ratio: median(ratios),
      ratio_range: ratios.length === 0 ? null : [Math.min(...ratios), Math.max(...ratios)],
      cached_share: median(rounds.flatMap((one) => one.cachedShare ?? [])),
      preemptions_per_row: median(rounds.flatMap((one) => one.preemptionsPerRow ?? [])),
      failed: rounds.reduce((sum, one) => sum + one.failed, 0),
      failure: rounds.find((one) => one.failure !== null)?.failure ?? null,
    };
  });
}

function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) return null;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** The profile's own way, unless in two rounds or more another one's worst is faster than its best. */
function bestWay(reading: readonly BenchLine[], ways: readonly ReadWay[], own: ReadWay): ReadWay | null {
  const line = (way: ReadWay) => reading.find(({ name, ratio }) => name === way && ratio !== null);
  const ratio = (way: ReadWay): number => line(way)?.ratio ?? 0;
  const [fastest] = ways.filter((way) => line(way) !== undefined).toSorted((a, b) => ratio(b) - ratio(a));
  if (fastest === undefined) return null;
  const ownBest = line(own)?.ratio_range?.[1] ?? 0;
  const isSure = (line(fastest)?.rounds ?? 0) > 1 || line(own) === undefined;
  return isSure && (line(fastest)?.ratio_range?.[0] ?? 0) > ownBest ? fastest : own;
}

function adviseWay(reading: readonly BenchLine[], way: ReadWay | null, own: ReadWay): string[] {
  if (way === null) return [];
  const chosen = reading.find(({ name }) => name === way);
  const share = chosen?.ratio ?? 0;
  const low =
    way === "two-step" && chosen?.cached_share != null && chosen.cached_share < lowCachedShare
      ? ["the second request is mostly computed again: the prefix cache is off or too full"]
      : [];
  const how = way === own ? "the profile's own: no flag" : `--set read=${way}`;
  return [`read by ${way} (${how}); ${share.toFixed(2)} of the speed without log-probabilities`, ...low];
}

function adviseSeed(reading: readonly BenchLine[]): string[] {
  const line = reading.find(({ name }) => name === seededReading);
  if (line?.ratio == null || line.ratio_range === null) return [];
  // every round has to show it, and one is none
  return line.rounds > 1 && line.ratio_range[1] < 1 - noise
    ? [`leave --seed out unless you need it: ${line.ratio.toFixed(2)} of the speed without`]
    : [line.rounds > 1 ? "--seed costs nothing that every round shows" : "one round says nothing sure about --seed"];
}

function adviseInFlight(best: BenchLine | null, limiterStart: number | null, capacity: number | null): string[] {
  if (capacity === null || limiterStart === null) {
    return ["the engine does not tell its KV cache: give --in-flight N, found by trying; 32 is assumed"];
  }
  if (best === null) return [];
  return [
    `leave --in-flight out: the cache holds ${capacity} such rows, of those tried ${best.in_flight} in flight was fastest, and the limiter would begin at ${limiterStart} and follow preemptions`,
  ];
}
