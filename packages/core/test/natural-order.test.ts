import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { compareNatural } from "../src/natural-order.ts";

const seed = 20_261_125;
const sign = (n: number): number => Math.sign(n) + 0;

describe("natural-order", () => {
  test.each([
    [["file1", "file2", "file10"]],
    [["1.jsonl", "9.jsonl", "10.jsonl", "99.jsonl", "100.jsonl"]],
    [["a", "a1", "a1b", "a2", "aa"]],
    [["part-1/9", "part-1/10", "part-2/1"]],
    [["v1.2.9", "v1.2.10", "v1.10.0"]],
    [["7", "07", "007", "8"]],
    [["0", "00", "1"]],
    [["", "0", "A", "a"]],
    [["Z", "a", "z", "\u00e4"]],
    [["1", "\u0661"]],
    [["x9007199254740992", "x9007199254740993", `x1${"0".repeat(400)}`, `x2${"0".repeat(400)}`]],
    [["\u{1f600}", "\uffff"]],
  ])("%j", (ordered) => {
    expect([...ordered].reverse().sort(compareNatural)).toEqual(ordered);
  });

  const names = fc.oneof(
    fc
      .array(fc.constantFrom("0", "00", "1", "2", "10", "9", "a", "b", "/", ".", "-", "\u{1f600}", "\u0661"), {
        maxLength: 6,
      })
      .map((parts) => parts.join("")),
    fc.string({ unit: "binary", maxLength: 6 }),
  );

  test(`a total order: turned round, transitive, equal only when the same (seed ${seed})`, () => {
    fc.assert(
      fc.property(names, names, names, (a, b, c) => {
        expect(sign(compareNatural(a, b))).toBe(sign(-compareNatural(b, a)));
        expect(compareNatural(a, b) === 0).toBe(a === b);
        const [x, y, z] = [a, b, c].sort(compareNatural) as [string, string, string];
        expect([compareNatural(x, y) <= 0, compareNatural(y, z) <= 0, compareNatural(x, z) <= 0]).toEqual([
          true,
          true,
          true,
        ]);
      }),
      { seed, numRuns: 4_000 },
    );
  });

  test(`numbers of any size stand by their value (seed ${seed})`, () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 40n }),
        fc.bigInt({ min: 0n, max: 10n ** 40n }),
        fc.nat(3),
        (m, n, zeros) => {
          fc.pre(m !== n);
          const pad = "0".repeat(zeros);
          expect(sign(compareNatural(`f${pad}${m}.x`, `f${n}.x`))).toBe(m < n ? -1 : 1);
        },
      ),
      { seed, numRuns: 1_000 },
    );
  });
});
