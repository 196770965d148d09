import type { ResultRow } from "@assay/core";
import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { createPairChooser, pairLine } from "../src/preference-pairs.ts";
import { bareRow, okRow } from "./result-rows.ts";

const seed = 20_261_125;

const anyRows = fc
  .array(
    fc.record({
      group: fc.constantFrom("g1", "g2", "g3", null),
      principle: fc.constantFrom("correctness", "conciseness"),
      reward: fc.option(fc.integer({ min: -8, max: 8 }), { nil: null }),
    }),
    { maxLength: 40 },
  )
  .map((rows) =>
    rows.map(
      ({ group, principle, reward }, i): ResultRow =>
        okRow(i, { group, principle, reward, status: reward === null ? "truncated" : "ok" }),
    ),
  );

test("a pair is the best and the worst of one group under one principle, and far enough apart", () => {
  fc.assert(
    fc.property(anyRows, fc.integer({ min: 0, max: 10 }), (rows, margin) => {
      const chooser = createPairChooser(margin);
      for (const row of rows) chooser.add(row);
      const { pairs, groups, single, close } = chooser.choose();
      expect(pairs.length + single + close).toBe(groups);
      for (const { group, principle, chosen, rejected } of pairs) {
        const mates = rows.filter((row) => row.group === group && row.principle === principle && row.reward !== null);
        const rewards = mates.map((row) => row.reward ?? Number.NaN);
        expect(chosen.reward).toBe(Math.max(...rewards));
        expect(rejected.reward).toBe(Math.min(...rewards));
        expect(chosen.reward - rejected.reward).toBeGreaterThanOrEqual(margin);
        expect(chosen.row_index).not.toBe(rejected.row_index);
        // of equal ones the first
        expect(chosen.row_index).toBe(mates.find((row) => row.reward === chosen.reward)?.row_index);
        expect(rejected.row_index).toBe(mates.find((row) => row.reward === rejected.reward)?.row_index);
      }
    }),
    { seed, numRuns: 500 },
  );
});

test("equal rewards are no preference, even at margin 0", () => {
  const chooser = createPairChooser(0);
  for (const i of [0, 1, 2]) chooser.add(okRow(i, { principle: "p", reward: 1 }));
  expect(chooser.choose()).toEqual({ pairs: [], groups: 1, single: 1, close: 0 });
});

test("a record that could not be read is in no pair", () => {
  const chooser = createPairChooser(0);
  chooser.add(bareRow(0));
  expect(chooser.choose().groups).toBe(0);
});

test("a line is what TRL's trainer reads: explicit prompt, one assistant turn each", () => {
  const pair = {
    group: "g",
    principle: "correctness",
    chosen: { row_index: 4, reward: 2 },
    rejected: { row_index: 1, reward: -1.5 },
  };
  const messages = [{ role: "user", content: "1+1?\n" }];
  expect(JSON.parse(pairLine(pair, { messages, chosen: "2", rejected: "3" }))).toEqual({
    prompt: messages,
    chosen: [{ role: "assistant", content: "2" }],
    rejected: [{ role: "assistant", content: "3" }],
    principle: "correctness",
    group: "g",
    chosen_reward: 2,
    rejected_reward: -1.5,
    margin: 3.5,
    chosen_row: 4,
    rejected_row: 1,
  });
});
