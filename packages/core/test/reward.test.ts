import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { logprobFloor, reward } from "../src/reward.ts";

const seed = 20_261_125;
const logprob = fc.double({ min: -10_000, max: 0, noNaN: true });

describe("reward", () => {
  test.each([
    [-50, -50, 0],
    [0, -50, 50],
    [0, -50.000001, 50],
    [0, -9_999, 50],
    [-50.000001, 0, -50],
    [-9_999, 0, -50],
    [-49, -51, 1],
    [-51, -49, -1],
    [-9_999, -51, 0],
  ])("clipped on both sides: of %p and %p is %p", (yes, no, expected) => {
    expect(reward(yes, no)).toBe(expected);
  });

  test(`antisymmetric, within 50 either way, and the plain difference where nothing is clipped (seed ${seed})`, () => {
    fc.assert(
      fc.property(logprob, logprob, (yes, no) => {
        const value = reward(yes, no);
        expect(value + reward(no, yes)).toBe(0);
        expect(Math.abs(value)).toBeLessThanOrEqual(-logprobFloor);
        if (Math.min(yes, no) >= logprobFloor) expect(value).toBe(yes - no);
        if (yes > no) expect(value).toBeGreaterThanOrEqual(0);
      }),
      { seed, numRuns: 2_000 },
    );
  });

  test(`never of anything but two finite numbers (seed ${seed})`, () => {
    const broken = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
    fc.assert(
      fc.property(logprob, broken, (fine, wrong) => {
        for (const [yes, no] of [
          [fine, wrong],
          [wrong, fine],
          [wrong, wrong],
        ] as const)
          expect(() => reward(yes, no)).toThrow(TypeError);
      }),
      { seed },
    );
  });
});
