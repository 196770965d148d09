import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  isAtHardLimit,
  limitAfterAnswer,
  limitAfterLook,
  limitAfterLoss,
  noProxyLimit,
  type ProxyLimit,
} from "../src/proxy-limit.ts";

type Step = { lost: number[]; lives: boolean } | { took: number };

function play(steps: readonly Step[], from: ProxyLimit = noProxyLimit()): ProxyLimit {
  let limit = from;
  for (const step of steps) {
    if ("took" in step) limit = limitAfterAnswer(limit, step.took);
    else {
      for (const ms of step.lost) limit = limitAfterLoss(limit, ms);
      limit = limitAfterLook(limit, step.lives);
    }
  }
  return limit;
}
const cut = (...lost: number[]): Step => ({ lost, lives: true });

describe("proxy-limit", () => {
  test.each<[string, Step[], number | null]>([
    ["three at once", [cut(60_000, 60_010, 60_900)], 60_000],
    ["one after another, with other losses between", [cut(60_000), cut(200_000), cut(60_500), cut(60_200)], 60_000],
    ["at ten minutes, two per cent apart", [cut(601_000), cut(612_000), cut(605_000)], 601_000],
    ["two are not enough", [cut(60_000, 60_000)], null],
    ["more than a second apart", [cut(60_000), cut(61_100), cut(62_300)], null],
    ["as Envoy does by default", [cut(15_000), cut(15_002, 15_001)], 15_000],
    ["too soon for a proxy", [cut(9_000, 9_000, 9_000)], null],
    ["an engine that died under all of them", [{ lost: [60_000, 60_000, 60_000], lives: false }], null],
    ["an answer in between took longer", [cut(60_000, 60_000), { took: 90_000 }, cut(60_000, 60_000)], null],
    ["answers in between that were quicker", [cut(60_000, 60_000), { took: 59_000 }, cut(60_000)], 60_000],
  ])("%s", (_name, steps, foundMs) => {
    expect(play(steps)).toMatchObject({ foundMs, isHard: false });
  });

  test("found a second time it is hard, until an answer takes longer", () => {
    const found = play([cut(60_000, 60_000, 60_000)]);
    expect(isAtHardLimit(found, 60_000)).toBe(false);
    const hard = play([cut(100_000, 100_000), cut(100_000)], found);
    expect(hard).toMatchObject({ foundMs: 100_000, isHard: true });
    expect([97_900, 98_100, 101_900, 102_100].map((ms) => isAtHardLimit(hard, ms))).toEqual([false, true, true, false]);
    expect(isAtHardLimit(play([{ took: 101_000 }], hard), 100_000)).toBe(true);
    expect(isAtHardLimit(play([{ took: 103_000 }], hard), 100_000)).toBe(false);
  });

  test("law: losses that are nowhere three within a second or a fiftieth are no proxy, and memory is bounded", () => {
    const apart = fc
      .array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 })
      .map((all) => [...new Set(all)].map((i) => 30_000 * 1.05 ** i));
    fc.assert(
      fc.property(apart, fc.boolean(), (losses, atOnce) => {
        const limit = play(atOnce ? [cut(...losses)] : losses.map((ms) => cut(ms)));
        expect(limit.foundMs).toBeNull();
        expect(limit.cuts.length).toBeLessThanOrEqual(8);
      }),
    );
  });
});
