import type { ReadWay } from "@assay/core";

/** What is measured at once: rows of one kind, so many in flight. */
export interface BenchCell {
  /** the same in every round; what figures are compared by */
  readonly name: string;
  readonly group: "reading" | "in-flight";
  readonly inFlight: number;
  readonly rows: number;
  /** null: no log-probabilities are asked for */
  readonly way: ReadWay | null;
  /** with a seed in each request */
  readonly seeds: boolean;
}

export interface BenchPlan {
  readonly cells: readonly BenchCell[];
  readonly rows: number;
  readonly requests: number;
  /** whole rows that the KV cache holds; null where the engine does not tell */
  readonly capacity: number | null;
}

/** The cell that all readings are compared with. */
export const plainReading = "no log-probabilities";
export const seededReading = "a seed in each request";

/** More are not tried: a cache that holds more than half of them is not what limits. */
const mostInFlight = 256;
/** A cell needs a beginning and an end that are not measured, and as much between them. */
const rowsPerSlot = 3;

/**
 * The cells of a bench: each way that works, in rounds, so that what drifts meanwhile drifts for all; every other round
 * in the opposite order. In flight below, at and twice what the cache holds; the readings below it. `kvTokens` null
 * leaves the second group out. Pure.
 */
export function planBench(options: {
  ways: readonly ReadWay[];
  rows: number;
  rounds: number;
  kvTokens: number | null;
  /** prompt and answer together, on average */
  rowTokens: number;
}): BenchPlan {
  const { ways, rows, rounds, kvTokens, rowTokens } = options;
  const capacity = kvTokens === null ? null : Math.max(1, Math.floor(kvTokens / rowTokens));
  const few = Math.max(1, Math.floor(Math.min(rows / rowsPerSlot, 0.75 * (capacity ?? mostInFlight))));
  const reading = (name: string, way: ReadWay | null, seeds = false): BenchCell => ({
    name,
    group: "reading",
    inFlight: few,
    rows: Math.max(rows, rowsPerSlot * few),
    way,
    seeds,
  });
  const most = Math.min(mostInFlight, 2 * (capacity ?? 0));
  const points = [...new Set([most / 4, most / 2, most].map((n) => Math.max(1, Math.round(n))))];
  const round: BenchCell[] = [
    reading(plainReading, null),
    ...ways.map((way) => reading(way, way)),
    reading(seededReading, null, true),
    ...(capacity === null ? [] : points).map(
      (inFlight): BenchCell => ({
        name: `in flight ${inFlight}`,
        group: "in-flight",
        inFlight,
        rows: Math.max(rows, rowsPerSlot * inFlight),
        way: ways[0] ?? null,
        seeds: false,
      }),
    ),
  ];
  const cells = Array.from({ length: rounds }, (_, i) => (i % 2 === 0 ? round : round.toReversed())).flat();
  const sum = (of: (cell: BenchCell) => number): number => cells.reduce((total, cell) => total + of(cell), 0);
  return {
    cells,
    rows: sum((cell) => cell.rows),
    requests: sum((cell) => cell.rows * (cell.way === "two-step" ? 2 : 1)),
    capacity,
  };
}
