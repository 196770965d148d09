import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { aucOf } from "../src/auc.ts";
import { bootstrapAucDifference, type PairedRow } from "../src/bootstrap-auc.ts";
import { calibrationOf, sigmoid } from "../src/calibration.ts";
import { compareLabels, evaluateLabels, type LabelItem } from "../src/labels.ts";
import { mcNemar } from "../src/mcnemar.ts";

const reward = fc.integer({ min: -8, max: 8 }).map((n) => n / 4);
const rewards = fc.array(reward, { minLength: 2, maxLength: 30 });

describe("AUC", () => {
  test("is the Mann-Whitney count: pairs won, a tie one half", () => {
    fc.assert(
      fc.property(rewards, rewards, (yes, no) => {
        let wins = 0;
        for (const a of yes) for (const b of no) wins += a > b ? 1 : a === b ? 0.5 : 0;
        expect(aucOf(yes, no)?.auc).toBeCloseTo(wins / (yes.length * no.length), 12);
        expect(aucOf([...yes].reverse(), [...no].reverse())).toEqual(aucOf(yes, no));
        expect(aucOf(no, yes)?.auc).toBeCloseTo(1 - wins / (yes.length * no.length), 12);
      }),
    );
  });

  test("DeLong's interval on a set worked out by hand", () => {
    // yes 3, 2, 1 against no 2, 0: shares won 1, .75, .5 and .5, 1; auc .75, variances .0625/3 + .125/2
    const { auc, interval } = aucOf([3, 2, 1], [2, 0]) ?? { auc: 0, interval: null };
    const half = 1.959963984540054 * Math.sqrt(0.0625 / 3 + 0.125 / 2);
    expect(auc).toBeCloseTo(0.75, 12);
    expect(interval?.[0]).toBeCloseTo(0.75 - half, 12);
    expect(interval?.[1]).toBe(1);
  });

  test("needs both labels", () => {
    expect([aucOf([], [1]), aucOf([1], []), aucOf([1], [0])?.interval]).toEqual([null, null, null]);
  });
});

describe("McNemar", () => {
  test("is the exact two-sided binomial test", () => {
    // 1 of 10: 2 (1 + 10) / 2^10
    expect(mcNemar(1, 9).p).toBeCloseTo(22 / 1024, 12);
    expect([mcNemar(0, 0).p, mcNemar(5, 5).p]).toEqual([1, 1]);
    expect(mcNemar(0, 20).p).toBeCloseTo(2 / 2 ** 20, 15);
    expect(mcNemar(400_000, 401_000).p).toBeGreaterThan(0.2);
  });

  test("is symmetric and falls as the two differ more", () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(200), (b, c) => {
        expect(mcNemar(b, c).p).toBe(mcNemar(c, b).p);
        expect(mcNemar(b, b + c + 1).p).toBeLessThanOrEqual(mcNemar(b, b + c).p + 1e-12);
      }),
    );
  });
});

describe("calibration", () => {
  test("a judge that knows the shares is calibrated; one that is sure and wrong is not", () => {
    const certain = Array.from({ length: 10 }, () => ({ reward: 40, label: false }));
    expect(calibrationOf(certain)).toEqual({ brier: expect.closeTo(1, 12), ece: expect.closeTo(1, 12) });
    const even = [true, false].map((label) => ({ reward: 0, label }));
    expect(calibrationOf(even)).toEqual({ brier: 0.25, ece: 0 });
    expect([sigmoid(800), sigmoid(-800), sigmoid(0)]).toEqual([1, 0, 0.5]);
  });
});

describe("bootstrap of the AUC difference", () => {
  const paired: fc.Arbitrary<PairedRow[]> = fc.array(
    fc.record({ label: fc.boolean(), first: reward, second: reward }),
    { minLength: 8, maxLength: 40 },
  );

  test("same seed, same interval; the models swapped, the sign turned", () => {
    fc.assert(
      fc.property(paired, fc.nat(1_000), (rows, seed) => {
        const options = { seed, resamples: 100 };
        const there = bootstrapAucDifference(rows, options);
        expect(bootstrapAucDifference(rows, options)).toEqual(there);
        const back = bootstrapAucDifference(
          rows.map(({ label, first, second }) => ({ label, first: second, second: first })),
          options,
        );
        if (there === null || back === null) return;
        expect(back.difference).toBeCloseTo(-there.difference, 12);
        expect(back.interval[0]).toBeCloseTo(-there.interval[1], 12);
        expect(back.interval[1]).toBeCloseTo(-there.interval[0], 12);
      }),
      { numRuns: 30 },
    );
  });

  test("one model against itself differs by nothing", () => {
    const rows = [1, 2, 3, 4, 5, 6].map((n) => ({ label: n % 2 === 0, first: n, second: n }));
    expect(bootstrapAucDifference(rows, { seed: 1 })).toEqual({ difference: 0, interval: [0, 0], resamples: 2_000 });
  });
});

describe("labelled rows", () => {
  const item = (key: string, label: boolean, value: number | null, domain = "code"): LabelItem => ({
    key,
    domain,
    principle: "clarity",
    label,
    reward: value,
  });

  test("0 is neither Yes nor No, a missing reward is never right, and always Yes scores one half balanced", () => {
    const items = [
      item("a", true, 2),
      item("b", true, 0),
      item("c", false, 0),
      item("d", false, null),
      item("e", false, -1),
    ];
    expect(evaluateLabels(items).overall).toMatchObject({
      rows: 5,
      missing: 1,
      tied: 2,
      yes: 2,
      accuracy: 2 / 5,
      balancedAccuracy: (1 / 2 + 1 / 3) / 2,
    });
    const alwaysYes = [true, true, true, false].map((label, i) => item(String(i), label, 3));
    expect(evaluateLabels(alwaysYes).overall).toMatchObject({ accuracy: 0.75, balancedAccuracy: 0.5 });
  });

  test("does not depend on the order of the rows", () => {
    const any = fc.record({
      key: fc.uuid(),
      domain: fc.constantFrom("code", "stem", null),
      principle: fc.constantFrom("clarity", "brevity"),
      label: fc.boolean(),
      reward: fc.option(fc.double({ min: -50, max: 50, noNaN: true }), { nil: null }),
    });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 40 }), (items) => {
        const turned = [...items].reverse();
        expect(evaluateLabels(turned)).toEqual(evaluateLabels(items));
        const others = items.map((each) => ({ ...each, reward: each.reward === null ? null : -each.reward }));
        const options = { seed: 3, resamples: 20 };
        expect(compareLabels(turned, others, options)).toEqual(compareLabels(items, others, options));
      }),
      { numRuns: 50 },
    );
  });

  test("two models are compared on the rows both were asked", () => {
    const ours = [item("a", true, 1), item("b", true, 1), item("c", false, 1), item("x", true, 1)];
    const theirs = [item("a", true, -1), item("b", true, null), item("c", false, -1), item("y", true, 1)];
    expect(compareLabels(ours, theirs, { seed: 1, resamples: 10 })).toMatchObject({
      paired: 3,
      onlyInFirst: 1,
      onlyInSecond: 1,
      otherLabel: 0,
      mcNemar: { onlyFirst: 2, onlySecond: 1, p: 1 },
    });
  });
});
