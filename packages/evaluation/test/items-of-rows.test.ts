import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { judgeBenchItems, labelItems, rewardBench2Items, rmBenchItems } from "../src/items-of-rows.ts";
import type { ScoredRow } from "../src/scored-record.ts";

function row(line: number, response: number | null, reward: number | null, columns: ScoredRow["columns"]): ScoredRow {
  const status = response === null ? "bad_input" : reward === null ? "truncated" : "ok";
  const place = { batch: "b", id: `r:${line}`, input: "in.json", input_line: line, response_index: response };
  const row_index = 10 * line + (response ?? 0);
  return { ...place, row_index, principle_index: 0, principle: "correctness", status, reward, columns };
}

const score = fc.option(fc.integer({ min: -3, max: 3 }), { nil: null });

describe("rows of a batch come together as the benchmark's items, in whatever order they are read", () => {
  test("RM-Bench: six responses a record; one whose row is not there has no score", () => {
    const record = fc.array(score, { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 8 }), fc.boolean(), (records, turned) => {
        const rows = records.flatMap((scores, line) =>
          scores.map((reward, i) => row(line, i, reward, { in_domain: "chat", in_chosen: i < 3, in_style: i % 3 })),
        );
        const items = records.map((scores) => ({
          domain: "chat",
          chosen: scores.slice(0, 3),
          rejected: scores.slice(3),
        }));
        const read = rmBenchItems(turned ? [...rows].reverse() : rows).items;
        expect(turned ? read.reverse() : read).toEqual(items);
        expect(rmBenchItems(rows.slice(1)).items[0]?.chosen[0]).toBeNull();
      }),
    );
  });

  test("a response of which one principle's row is not there has no score, whatever the others gave", () => {
    const asked = (response: number, principle: number, reward: number): ScoredRow => ({
      ...row(1, response, reward, { in_source: "mmlu-pro-law", in_label: "A>B", in_side: "AB"[response] ?? null }),
      row_index: 2 * response + principle,
      principle_index: principle,
      principle: `p${principle}`,
    });
    const rows = [asked(0, 0, 3), asked(0, 1, -9), asked(1, 0, 2), asked(1, 1, 2)];
    expect(judgeBenchItems(rows).items[0]?.decisions).toEqual(["B>A"]);
    expect(judgeBenchItems(rows.filter(({ row_index }) => row_index !== 1)).items[0]?.decisions).toEqual([null]);
  });

  test("RM-Bench: records of a JSON array that is one line stay apart, ids that repeat included", () => {
    const record = fc.array(score, { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 8 }), (records, ids) => {
        const rows = records.flatMap((scores, n) =>
          scores.map((reward, i) => ({
            ...row(n, i, reward, { in_domain: "chat", in_chosen: i < 3, in_style: i % 3 }),
            input_line: 1,
            id: `chat:${n % ids}`,
          })),
        );
        const sides = ({ chosen, rejected }: { chosen: unknown; rejected: unknown }): string =>
          JSON.stringify([chosen, rejected]);
        const expected = records.map((scores) => sides({ chosen: scores.slice(0, 3), rejected: scores.slice(3) }));
        expect(rmBenchItems(rows).items.map(sides).sort()).toEqual(expected.sort());
        expect(
          rmBenchItems([...rows].reverse())
            .items.map(sides)
            .sort(),
        ).toEqual(expected);
      }),
    );
  });

  test("labelled rows of one line and one id have keys of their own, the same ones in every batch", () => {
    const labelled = (n: number): ScoredRow => ({
      ...row(n, 0, n, { in_fulfilment: "Yes" }),
      input_line: 1,
      id: "in:1",
    });
    const keys = (rows: readonly ScoredRow[]): string[] => labelItems(rows).items.map(({ key }) => key);
    const rows = [labelled(0), labelled(1), labelled(2)];
    expect(new Set(keys(rows)).size).toBe(3);
    expect(keys(rows.map((each) => ({ ...each, batch: "other" })))).toEqual(keys(rows));
  });

  test("several principles: the mean of the rewards, and no score where one is missing", () => {
    const columns = { in_domain: "code", in_chosen: true, in_style: 0 };
    const asked = (...rewards: (number | null)[]): ScoredRow[] =>
      rewards.map((reward, i) => ({ ...row(1, 0, reward, columns), row_index: i, principle_index: i }));
    expect(rmBenchItems(asked(1, 2, 6)).items[0]?.chosen[0]).toBe(3);
    expect(rmBenchItems(asked(1, null, 6)).items[0]?.chosen[0]).toBeNull();
  });

  test("JudgeBench: the side says which response a row is of, not its place; equal scores are a tie", () => {
    const columns = (side: string) => ({ in_source: "livecodebench", in_label: "B>A", in_side: side });
    const pair = (a: number | null, b: number | null): ScoredRow[] => [
      row(1, 0, b, columns("B")),
      row(1, 1, a, columns("A")),
    ];
    expect(judgeBenchItems(pair(1, 2)).items).toEqual([
      { source: "livecodebench", responseModel: null, label: "B>A", decisions: ["B>A"], equalScores: false },
    ]);
    expect(judgeBenchItems(pair(2, 2)).items[0]).toMatchObject({ decisions: ["A=B"], equalScores: true });
    expect(judgeBenchItems(pair(2, null)).items[0]).toMatchObject({ decisions: [null], equalScores: false });
  });

  test("RewardBench 2: as many scores as completions, those without a row null", () => {
    const columns = { in_subset: "Ties", in_num_correct: 2, in_total_completions: 4 };
    const rows = [row(1, 1, 5, columns), row(1, 0, 6, columns), row(1, 2, 1, columns)];
    expect(rewardBench2Items(rows).items).toEqual([
      { id: "r:1", subset: "Ties", numCorrect: 2, scores: [6, 5, 1, null] },
    ]);
  });

  test("a bad record is counted and in no item", () => {
    const columns = { in_domain: null, in_chosen: null, in_style: null };
    expect(rmBenchItems([row(1, null, null, columns)])).toEqual({ items: [], unplaced: 1 });
    const labels = [row(1, 0, 1, { in_fulfilment: "Yes" }), row(2, null, null, { in_fulfilment: null })];
    expect(labelItems(labels)).toMatchObject({ items: [{ label: true, reward: 1 }], unplaced: 1 });
  });

  test("the same record of two batches is two records", () => {
    const columns = { in_domain: "math", in_chosen: true, in_style: 0 };
    const first = row(1, 0, 1, columns);
    expect(rmBenchItems([first, { ...first, batch: "c" }]).items.length).toBe(2);
  });

  test.each<[string, () => unknown, string]>([
    ["rm-bench", () => rmBenchItems([row(1, 0, 1, {})]), "in_style (int64)"],
    ["judgebench", () => judgeBenchItems([row(1, 0, 1, { in_domain: "x" })]), "in_side (string)"],
    ["rewardbench2", () => rewardBench2Items([row(1, 0, 1, {})]), "in_num_correct (int64)"],
    ["labels", () => labelItems([row(1, 0, 1, {})]), "in_fulfilment (string)"],
    ["labels that are none", () => labelItems([row(1, 0, 1, { in_label: "A>B" })]), "Yes or No"],
  ])("%s without its columns is told which ones it needs", (_, read, expected) => {
    expect(read).toThrow(expect.objectContaining({ code: "E_USAGE", expected: expect.stringContaining(expected) }));
  });
});
