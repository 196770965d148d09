import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { reward } from "../src/reward.ts";
import { rewardArithmetic } from "../src/reward-arithmetic.ts";

const formula = "max(logprob(Yes), -50) - max(logprob(No), -50)";

test.each<[number, number, string[], string[]]>([
  [-0.25, -1.5, ["max(-0.25, -50) - max(-1.5, -50)", "-0.25 - (-1.5)", "1.25"], []],
  [-60.5, 0, ["max(-60.5, -50) - max(0, -50)", "-50 - 0", "-50"], ["yes"]],
  [-50, -50, ["max(-50, -50) - max(-50, -50)", "-50 - (-50)", "0"], []],
  [-70, -80, ["max(-70, -50) - max(-80, -50)", "-50 - (-50)", "0"], ["yes", "no"]],
])("of %p and %p", (yes, no, lines, clipped) => {
  expect(rewardArithmetic(yes, no)).toEqual({ reward: reward(yes, no), clipped, lines: [formula, ...lines] });
});

test("every digit is there: each line, worked out, is the reward (seed 20261125)", () => {
  const logprob = fc.double({ min: -100, max: 0, noNaN: true }).map((value) => value + 0);
  fc.assert(
    fc.property(logprob, logprob, (yes, no) => {
      const [, numbers, difference, value] = rewardArithmetic(yes, no).lines;
      const [a, b, c, d] = numbers!.match(/-?\d[\d.e+-]*/g)!.map(Number);
      expect(Math.max(a!, b!) - Math.max(c!, d!)).toBe(reward(yes, no));
      const [left, right] = difference!.split(" - ").map((side) => Number(side.replace(/[()]/g, "")));
      expect(left! - right!).toBe(reward(yes, no));
      expect(Number(value)).toBe(reward(yes, no));
    }),
    { seed: 20_261_125 },
  );
});
