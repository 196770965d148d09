import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { histograms, percent, printable, renderHistograms } from "../src/histogram.ts";

const rewards = fc.array(fc.double({ min: -50, max: 50, noNaN: true }), { minLength: 1, maxLength: 50 });

test("every reward is in one bin, of a scale that all principles share and that is even around 0", () => {
  fc.assert(
    fc.property(rewards, rewards, (a, b) => {
      const all = histograms(
        new Map([
          ["a", a],
          ["b", b],
        ]),
      );
      expect(all.map(({ bins }) => bins.reduce((sum, bin) => sum + bin.count, 0))).toEqual([a.length, b.length]);
      const edges = all.map(({ bins }) => bins.map(({ from, to }) => [from, to]));
      expect(edges[0]).toEqual(edges[1]);
      expect(edges[0]?.[0]?.[0]).toBeCloseTo(-(edges[0]?.at(-1)?.[1] ?? 0));
      for (const value of [...a, ...b]) expect(Math.abs(value)).toBeLessThanOrEqual(edges[0]?.at(-1)?.[1] ?? 0);
    }),
  );
});

test("lines stay within the width and hold what was counted", () => {
  const lines = renderHistograms(histograms(new Map([["correctness", [-1, 1, 2, 2]]]), 4), 60);
  expect(lines[0]).toBe("correctness  4 rewards, 75.0 % above 0");
  expect(lines.slice(1).map((line) => line.slice(0, 26).trim().split(/\s+/))).toEqual([
    ["-2", "to", "-1", "0"],
    ["-1", "to", "0", "1"],
    ["0", "to", "+1", "0"],
    ["+1", "to", "+2", "3"],
  ]);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(60);
});

test("no batch and no reward is no histogram", () => {
  expect(renderHistograms(histograms(new Map()))).toEqual([]);
});

test("a principle cannot move the cursor or colour the terminal", () => {
  expect(printable("a\u001b[31mred\r\nb\u2028c\u009bd", 40)).toBe("a [31mred  b c d");
  expect(printable("abcdef", 4)).toBe("abc…");
});

test("shares", () => {
  expect([percent(0, 0), percent(0, 3), percent(1, 3), percent(3, 3)]).toEqual(["0 %", "0 %", "33.3 %", "100 %"]);
});
