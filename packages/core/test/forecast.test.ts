import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type ChunkCost, forecast } from "../src/forecast.ts";

const seed = 20_261_125;
const start = Date.UTC(2026, 10, 25, 18);
const minute = 60_000;

/** A chunk of 16 rows of 1,000 tokens every `everyMs`. */
function steady(chunks: number, everyMs: number, from = start): ChunkCost[] {
  return Array.from({ length: chunks }, (_, i) => ({ at: from + i * everyMs, rows: 16, tokens: 16_000 }));
}

describe("forecast", () => {
  test("a steady batch takes what is left at its speed, with no range", () => {
    // 16,000 tokens a minute
    const made = forecast(steady(21, minute), 1_600);
    expect(made).toMatchObject({ tokensPerRow: 1_000, measuredUntil: start + 20 * minute });
    expect(made?.tokensPerSecond).toBeCloseTo(16_000 / 60, 6);
    expect(made?.seconds).toBeCloseTo(6_000, 6);
    expect(made?.fastest).toBeCloseTo(6_000, 6);
    expect(made?.slowest).toBeCloseTo(6_000, 6);
  });

  test("nothing is told before 200 rows, from one chunk, or where no time passed", () => {
    expect(forecast(steady(12, minute), 100)).toBeNull();
    expect(forecast(steady(13, minute), 100)).not.toBeNull();
    expect(forecast([{ at: start, rows: 1_000, tokens: 1_000_000 }], 100)).toBeNull();
    expect(forecast(steady(20, 0), 100)).toBeNull();
    expect(forecast([], 100)).toBeNull();
  });

  test("a night without workers does not slow the forecast", () => {
    const whole = forecast(steady(40, minute), 1_000);
    const broken = forecast([...steady(20, minute), ...steady(20, minute, start + 12 * 60 * minute)], 1_000);
    // one chunk's own time falls into the pause
    expect((broken?.seconds ?? 0) / (whole?.seconds ?? 1)).toBeGreaterThan(0.94);
    expect((broken?.seconds ?? 0) / (whole?.seconds ?? 1)).toBeLessThanOrEqual(1);
  });

  test("only the last hour of work counts: a fleet that doubled is told as it is now", () => {
    const slow = steady(200, minute);
    const fast = steady(121, minute / 2, start + 200 * minute);
    const made = forecast([...slow, ...fast], 1_000);
    expect(made?.tokensPerSecond).toBeCloseTo((2 * 16_000) / 60, 6);
  });

  test("the range holds the forecast, more rows take longer, and the order of chunks says nothing", () => {
    const costs = fc.array(
      fc.record({
        at: fc.integer({ min: start, max: start + 300 * minute }),
        rows: fc.nat(64),
        tokens: fc.nat(200_000),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(costs, fc.nat(10_000), (some, left) => {
        const made = forecast(some, left);
        expect(forecast([...some].reverse(), left) === null).toBe(made === null);
        if (made === null) return;
        expect(made.fastest).toBeLessThanOrEqual(made.seconds);
        expect(made.slowest).toBeGreaterThanOrEqual(made.seconds);
        expect(forecast(some, left + 1)?.seconds).toBeGreaterThan(made.seconds);
        expect(Object.values(made).every(Number.isFinite)).toBe(true);
      }),
      { seed, numRuns: 500 },
    );
  });
});
