import { sha256 } from "@assay/core";
import { describe, expect, test } from "@jest/globals";
import { judgeBenchOfScores } from "../src/items-of-scores.ts";
import { evaluateJudgeBench } from "../src/judge-bench.ts";
import { evaluateRmBench, type RmBenchItem } from "../src/rm-bench.ts";
import { officialRecords } from "./official-data.ts";

/** Figures that the benchmarks' own scripts gave on the same scores. */

describe("JudgeBench: result files of its authors", () => {
  test.each<[string, string[], number]>([
    ["Skywork_Skywork-Reward-Gemma-2-27B", ["59.7403", "66.3265", "83.9286", "50.0000", "64.2857"], 3],
    ["internlm_internlm2-7b-reward", ["56.4935", "61.2245", "71.4286", "50.0000", "59.4286"], 0],
  ])("%s", (judge, expected, ties) => {
    const records = officialRecords(`judgebench/official-scores.${judge}.jsonl`);
    if (records === null) return;
    const items = judgeBenchOfScores(records);
    const { categories, overall, otherSources } = evaluateJudgeBench(items);
    expect([...categories, overall].map((figures) => figures?.score.toFixed(4))).toEqual(expected);
    expect([items.length, otherSources, overall?.missing, overall?.tied]).toEqual([350, 0, 0, ties]);
    // one order alone: a tie is still wrong
    const oneOrder = judgeBenchOfScores(records.map(firstOrderOnly));
    expect(evaluateJudgeBench(oneOrder).overall).toMatchObject({ score: overall?.score, tied: ties });
  });
});

function firstOrderOnly({ where, value }: { where: string; value: unknown }) {
  const pair = value as { judgments: unknown[] };
  return { where, value: { ...pair, judgments: pair.judgments.slice(0, 1) } };
}

/** 20u - 10 with u from the first 8 hex digits of sha256(prompt NUL response): scores anybody can make again. */
function hashScore(prompt: string, response: string): number {
  const u = Number.parseInt(sha256(`${prompt}\0${response}`).slice(0, 8), 16) / 2 ** 32;
  return Number((20 * u - 10).toFixed(6));
}

describe("RM-Bench: scores made by a hash", () => {
  test.each<[string, number, string, string]>([
    ["chat", 129, "0.529716", "0.502153"],
    ["code", 228, "0.535088", "0.504386"],
  ])("%s", (domain, count, exact, rounded) => {
    const records = officialRecords(`rm-bench/${domain}_filtered.json`);
    if (records === null) return;
    const items = records.map(({ value }): RmBenchItem => {
      const { prompt, chosen, rejected } = value as { prompt: string; chosen: string[]; rejected: string[] };
      const scores = (responses: string[]): number[] => responses.map((response) => hashScore(prompt, response));
      return { domain, chosen: scores(chosen), rejected: scores(rejected) };
    });
    expect(items.length).toBe(count);
    expect(evaluateRmBench(items).domains[0]?.score.toFixed(6)).toBe(exact);
    const integers = items.map(({ chosen, rejected }) => ({
      domain,
      chosen: chosen.map((score) => Math.round(score ?? 0)),
      rejected: rejected.map((score) => Math.round(score ?? 0)),
    }));
    expect(evaluateRmBench(integers).domains[0]?.score.toFixed(6)).toBe(rounded);
  });
});
