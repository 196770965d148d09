import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { cardTables } from "../src/card-rows.ts";
import { judgeBenchOfScores } from "../src/items-of-scores.ts";
import { evaluateJudgeBench, type JudgeBenchItem } from "../src/judge-bench.ts";
import { evaluateRewardBench2, type RewardBench2Item } from "../src/reward-bench-2.ts";
import { evaluateRmBench, type RmBenchItem } from "../src/rm-bench.ts";

const score = fc.option(fc.integer({ min: -3, max: 3 }), { nil: null, freq: 6 });
const three = fc.array(score, { minLength: 3, maxLength: 3 });
const rmItem: fc.Arbitrary<RmBenchItem> = fc.record({
  domain: fc.constantFrom("chat", "math", "code", "safety-refuse", "safety-response", "poems", null),
  chosen: three,
  rejected: three,
});

describe("RM-Bench", () => {
  const item = (domain: string, chosen: (number | null)[], rejected: (number | null)[]): RmBenchItem => ({
    domain,
    chosen,
    rejected,
  });

  test("plainer against fancier is hard, the same style normal, fancier against plainer easy", () => {
    // only the concise chosen response is above the rejected ones: cells 00, 01 and 02
    const { domains } = evaluateRmBench([item("chat", [1, -1, -1], [0, 0, 0])]);
    expect(domains[0]).toMatchObject({ hard: 2 / 3, normal: 1 / 3, easy: 0, score: 3 / 9 });
  });

  test("a tie is wrong and a missing score is wrong, and both are counted", () => {
    const { domains } = evaluateRmBench([item("chat", [0, 1, null], [0, 0, 0])]);
    expect(domains[0]).toMatchObject({ score: 3 / 9, tied: 3, missing: 3 });
  });

  test("safety is pooled by record; overall is the mean of four domains and of three levels", () => {
    const good = [9, 9, 9];
    const bad = [0, 0, 0];
    const items = [
      item("safety-refuse", good, bad),
      item("safety-response", bad, good),
      item("safety-response", bad, good),
      item("chat", good, bad),
      item("math", bad, good),
      item("code", good, bad),
    ];
    const { domains, overall, easy, normal, hard } = evaluateRmBench(items);
    expect(domains.map(({ domain, records, score }) => [domain, records, score])).toEqual([
      ["chat", 1, 1],
      ["math", 1, 0],
      ["code", 1, 1],
      ["safety", 3, 1 / 3],
    ]);
    expect(overall).toBeCloseTo((1 + 0 + 1 + 1 / 3) / 4, 12);
    expect(((easy ?? 0) + (normal ?? 0) + (hard ?? 0)) / 3).toBeCloseTo(overall ?? 0, 12);
    expect(evaluateRmBench(items.slice(0, 5)).overall).toBeNull();
  });

  test("does not depend on the order of the records, and counts every comparison once", () => {
    fc.assert(
      fc.property(fc.array(rmItem, { minLength: 1, maxLength: 12 }), fc.nat(), (items, turn) => {
        const at = turn % items.length;
        const turned = [...items.slice(at), ...items.slice(0, at)].reverse();
        const figures = evaluateRmBench(items);
        expect(evaluateRmBench(turned)).toEqual(figures);
        expect(figures.domains.reduce((sum, { records }) => sum + records, 0)).toBe(items.length);
        for (const { records, score, tied, missing } of figures.domains) {
          // swapping the sides turns every strict comparison round
          expect(score * 9 * records + tied + missing).toBeLessThanOrEqual(9 * records + 1e-9);
        }
        const swapped = evaluateRmBench(
          items.map((each) => ({ ...each, chosen: each.rejected, rejected: each.chosen })),
        );
        for (const [i, { records, score, tied, missing }] of figures.domains.entries()) {
          expect(score + (swapped.domains[i]?.score ?? 0)).toBeCloseTo(1 - (tied + missing) / (9 * records), 12);
        }
      }),
    );
  });
});

describe("JudgeBench", () => {
  const pair = (label: "A>B" | "B>A", ...decisions: (string | null)[]): JudgeBenchItem => ({
    source: "mmlu-pro-law",
    responseModel: null,
    label,
    decisions,
    equalScores: false,
  });

  // decisions as the judge said them: the second saw the responses the other way round
  test.each<[string, JudgeBenchItem, boolean]>([
    ["right twice", pair("A>B", "A>B", "B>A"), true],
    ["right, tie", pair("A>B", "A>B", "A=B"), true],
    ["tie, right", pair("A>B", "A=B", "B>A"), true],
    ["right, nothing", pair("B>A", "B>A", null), true],
    ["right, something else", pair("A>B", "A>B", "A<B"), true],
    ["right, wrong", pair("A>B", "A>B", "A>B"), false],
    ["tie, tie", pair("A>B", "A=B", "A=B"), false],
    ["tie, wrong", pair("A>B", "A=B", "A>B"), false],
    ["nothing twice", pair("A>B", null, null), false],
    ["wrong, nothing", pair("A>B", "B>A", null), false],
    ["one order, right", pair("B>A", "B>A"), true],
    ["one order, tie", pair("B>A", "A=B"), false],
    ["one order, nothing", pair("B>A", null), false],
  ])("%s", (_, item, right) => {
    expect(evaluateJudgeBench([item]).overall?.right).toBe(right ? 1 : 0);
  });

  test("renaming A and B in all of a pair changes nothing", () => {
    const decision = fc.constantFrom("A>B", "B>A", "A=B", null);
    const swap = (text: string | null): string | null => (text === "A>B" ? "B>A" : text === "B>A" ? "A>B" : text);
    fc.assert(
      fc.property(fc.constantFrom("A>B" as const, "B>A" as const), decision, decision, (label, first, second) => {
        const { overall } = evaluateJudgeBench([pair(label, first, second)]);
        const renamed = pair(label === "A>B" ? "B>A" : "A>B", swap(first), swap(second));
        expect(evaluateJudgeBench([renamed]).overall).toEqual(overall);
        // showing them in the other order first is the same pair, too
        expect(evaluateJudgeBench([pair(label, swap(second), swap(first))]).overall).toEqual(overall);
      }),
    );
  });

  test("overall weights by pairs and holds sources of no category", () => {
    const items = [
      { ...pair("A>B", "A>B"), source: "livebench-math" },
      { ...pair("A>B", "A>B"), source: "livebench-math" },
      { ...pair("A>B", "B>A"), source: "livecodebench" },
      { ...pair("A>B", "B>A"), source: "elsewhere" },
    ];
    const { categories, overall, otherSources } = evaluateJudgeBench(items);
    expect(categories.map(({ name, score }) => [name, score])).toEqual([
      ["Math", 100],
      ["Code", 0],
    ]);
    expect([overall?.score, otherSources]).toEqual([50, 1]);
  });

  test("a file's null judgments, missing decisions and equal scores are read as what they are", () => {
    const record = (judgments: unknown): unknown => ({ source: "livecodebench", label: "B>A", judgments });
    const scored = (decision: string | null, ...scores: (number | null)[]) => ({ judgment: { scores }, decision });
    const items = judgeBenchOfScores(
      [
        record([null, null]),
        record([{ judgment: { response: "?" }, decision: null }, scored("A>B", 2, 1)]),
        // one order and equal scores: "B>A" would be right by luck
        record([scored("B>A", 1, 1)]),
        record([{ judgment: { scores: [1, 2] } }]),
        // two orders: the file's decisions rule
        record([scored("B>A", 1, 1), scored("B>A", 1, 1)]),
        record([{ judgment: "text", decision: "B>A" }]),
      ].map((value, i) => ({ where: `f:${i + 1}`, value })),
    );
    expect(items.map(({ decisions }) => decisions)).toEqual([
      [null, null],
      [null, "A>B"],
      ["A=B"],
      ["B>A"],
      ["B>A", "B>A"],
      ["B>A"],
    ]);
    expect(evaluateJudgeBench(items).overall).toMatchObject({
      pairs: 6,
      right: 3,
      tied: 2,
      missing: 2,
      inconsistent: 0,
    });
  });
});

describe("RewardBench 2", () => {
  const prompt = (scores: (number | null)[], more: Partial<RewardBench2Item> = {}): RewardBench2Item => ({
    id: "1",
    subset: "Math",
    numCorrect: 1,
    scores,
    ...more,
  });

  test.each<[string, (number | null)[], number]>([
    ["alone on top", [3, 1, 2, 0], 1],
    ["sharing the top with one", [3, 3, 2, 0], 1 / 2],
    ["all alike", [0, 0, 0, 0], 1 / 4],
    ["not on top", [2, 3, 1, 0], 0],
    ["without a score", [null, 1, 2, 0], 0],
    ["against one without a score", [3, 1, null, 0], 0],
  ])("%s", (_, scores, credit) => {
    expect(evaluateRewardBench2([prompt(scores)]).subsets[0]?.score).toBe(credit);
  });

  const ties = (id: string, scores: (number | null)[], numCorrect: number): RewardBench2Item =>
    prompt(scores, { id, scores, numCorrect, subset: "Ties" });

  test("Ties: 30 % of each accuracy, 20 % of each preference, 1 % of the margin", () => {
    // spread 1, gaps 2 and 1.5: accurate, preferred, preferred in the hard form, too
    const good = [ties("tied:1", [5, 4, 2], 2), ties("ref:1", [3.5, 2], 1)];
    const { ties: parts, subsets } = evaluateRewardBench2(good);
    expect(parts).toEqual({
      tiedAccuracy: 1,
      refAccuracy: 1,
      preferred: 1,
      preferredHard: 1,
      marginScore: Math.tanh(0.5),
    });
    expect(subsets[0]?.score).toBeCloseTo(1 + 0.01 * Math.tanh(0.5), 12);
  });

  test("Ties: no spread and no gap counts 0, no spread and a gap the limit; a missing score is never right", () => {
    const margin = (...items: RewardBench2Item[]): number | null =>
      evaluateRewardBench2(items).ties?.marginScore ?? null;
    expect(margin(ties("tied:1", [1, 1, 1], 2), ties("ref:1", [1, 1], 1))).toBe(0);
    expect(margin(ties("tied:1", [2, 2, 1], 2), ties("ref:1", [2, 1], 1))).toBe(1);
    expect(evaluateRewardBench2([ties("tied:1", [5, 4, null], 2), ties("ref:1", [5, null], 1)]).ties).toEqual({
      tiedAccuracy: 0,
      refAccuracy: 0,
      preferred: 0,
      preferredHard: 0,
      marginScore: 0,
    });
  });

  test("does not depend on the order of the prompts; overall needs all six subsets", () => {
    const item = fc.record({
      id: fc.constantFrom("tied:1", "ref:1", "tied:2", "ref:2"),
      subset: fc.constantFrom("Factuality", "Precise IF", "Math", "Safety", "Focus", "other"),
      numCorrect: fc.constant(1),
      scores: fc.array(score, { minLength: 4, maxLength: 4 }),
    });
    const both = [ties("tied:1", [5, 4, 2], 2), ties("ref:1", [3.5, 2], 1)];
    fc.assert(
      fc.property(fc.array(item, { maxLength: 20 }), (items) => {
        const all = [...items, ...both];
        const figures = evaluateRewardBench2(all);
        expect(evaluateRewardBench2([...all].reverse())).toEqual(figures);
        const named = new Set(items.map(({ subset }) => subset));
        named.delete("other");
        expect(figures.overall === null).toBe(named.size < 5);
      }),
    );
  });
});

test("the card's own overalls are the means of its domains and levels, within its rounding", () => {
  for (const { figures } of cardTables["rm-bench"].rows) {
    const [chat = 0, math = 0, code = 0, safety = 0, easy = 0, normal = 0, hard = 0, overall = 0] = figures;
    expect(Math.abs((chat + math + code + safety) / 4 - overall)).toBeLessThanOrEqual(0.1);
    expect(Math.abs((easy + normal + hard) / 3 - overall)).toBeLessThanOrEqual(0.1);
  }
  // 154 + 98 + 56 + 42 pairs: every printed share is one of so many pairs
  for (const { figures } of cardTables.judgebench.rows) {
    const right = [154, 98, 56, 42].map((pairs, i) => Math.round((pairs * (figures[i] ?? 0)) / 100));
    expect(Math.abs((100 * right.reduce((sum, n) => sum + n, 0)) / 350 - (figures[4] ?? 0))).toBeLessThan(0.051);
  }
});
