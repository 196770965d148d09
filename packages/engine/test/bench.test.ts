import { describe, expect, test } from "@jest/globals";
import { plainReading, planBench, seededReading } from "../src/plan-bench.ts";
import type { BenchMeasured } from "../src/run-bench.ts";
import { sumUpBench } from "../src/sum-up-bench.ts";

const asked = { ways: ["two-step", "ids"] as const, rows: 24, rounds: 2, rowTokens: 1_500 };
const plan = planBench({ ...asked, kvTokens: 6_144 });

describe("the plan", () => {
  test("below, at and twice what the cache holds, and every reading in each round, there and back", () => {
    const names = plan.cells.map(({ name }) => name);
    const round = [plainReading, "two-step", "ids", seededReading, "in flight 2", "in flight 4", "in flight 8"];
    expect(names).toEqual([...round, ...round.toReversed()]);
    expect(plan.capacity).toBe(4);
    // in the readings nothing may be preempted
    expect(plan.cells.filter(({ group }) => group === "reading").every(({ inFlight }) => inFlight === 3)).toBe(true);
    expect([plan.rows, plan.requests]).toEqual([2 * 7 * 24, 2 * (3 * 24 + 4 * 48)]);
  });

  test("without /metrics no rows in flight are tried; with a huge cache no more than 256", () => {
    expect(planBench({ ...asked, kvTokens: null }).cells.some(({ group }) => group === "in-flight")).toBe(false);
    const cells = planBench({ ...asked, kvTokens: 1e9 }).cells;
    expect(Math.max(...cells.map(({ inFlight }) => inFlight))).toBe(256);
    expect(cells.every(({ rows, inFlight }) => rows >= 3 * inFlight)).toBe(true);
  });
});

describe("the sum", () => {
  const start = { plan, promptTokens: 500, answerTokens: 1_000, kvTokens: 6_144, estimateSeconds: 1 };
  /** Speeds by name; each round slower than the one before, as on a machine that gets busy. */
  const sum = (speeds: { [name: string]: number }, skew = (_name: string, _round: number): number => 1) => {
    const seen = new Map<string, number>();
    const measured = plan.cells.map((cell): BenchMeasured => {
      const round = seen.get(cell.name) ?? 0;
      seen.set(cell.name, round + 1);
      const tokensPerSecond = ((speeds[cell.name] ?? 100) * skew(cell.name, round)) / (round + 1);
      const figures = { tokensPerSecond, rowsPerSecond: tokensPerSecond / 1_000 };
      return { cell, ...figures, failed: 0, failure: null, cachedShare: 0.9, preemptionsPerRow: 0 };
    });
    return sumUpBench(start, measured, { ways: asked.ways, own: "two-step" });
  };

  test("ratios are of one round: what slows all of it changes none", () => {
    const { reading } = sum({ "two-step": 90, ids: 50, [seededReading]: 70 });
    expect(reading.map(({ name, ratio, ratio_range }) => [name, ratio, ratio_range])).toEqual([
      [plainReading, 1, [1, 1]],
      ["two-step", 0.9, [0.9, 0.9]],
      ["ids", 0.5, [0.5, 0.5]],
      [seededReading, 0.7, [0.7, 0.7]],
    ]);
  });

  test("another way is advised only when every round speaks for it", () => {
    expect(sum({ "two-step": 50, ids: 90 }).way).toBe("ids");
    expect(sum({ "two-step": 50, ids: 90 }).advice[0]).toContain("--set read=ids");
    const wavers = (name: string, round: number): number => (name === "ids" && round === 1 ? 0.5 : 1);
    expect(sum({ "two-step": 50, ids: 90 }, wavers).way).toBe("two-step");
  });

  test("a seed has a price only when every round shows it; the best in flight is named", () => {
    const { advice, best, limiter_start } = sum({ [seededReading]: 70, "in flight 4": 200, "in flight 8": 150 });
    expect(advice.some((line) => line.startsWith("leave --seed out"))).toBe(true);
    expect([best, limiter_start]).toEqual([4, 4]);
    const wavers = (name: string, round: number): number => (name === seededReading && round === 1 ? 1.4 : 1);
    expect(sum({ [seededReading]: 70 }, wavers).advice).toContain("--seed costs nothing that every round shows");
  });

  test("one round alone advises no change", () => {
    const measured = plan.cells.slice(0, 4).map((cell): BenchMeasured => {
      const figures = { tokensPerSecond: cell.name === "ids" ? 90 : 50, rowsPerSecond: 1 };
      return { cell, ...figures, failed: 0, failure: null, cachedShare: 0.9, preemptionsPerRow: 0 };
    });
    expect(sumUpBench(start, measured, { ways: asked.ways, own: "two-step" }).way).toBe("two-step");
  });

  test("a bench that was stopped sums up what there is", () => {
    const none = sumUpBench(start, [], { ways: asked.ways, own: "two-step" });
    expect(none).toMatchObject({ reading: [], in_flight: [], best: null, way: null, advice: [] });
  });
});
