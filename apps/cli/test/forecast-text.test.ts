import type { ResultRow } from "@assay/core";
import { expect, test } from "@jest/globals";
import { costOf, forecastText } from "../src/forecast-text.ts";

const made = {
  tokensPerRow: 2_130.4,
  tokensPerSecond: 41_000.2,
  seconds: 18_600,
  fastest: 16_800,
  slowest: 21_300,
  measuredUntil: 0,
};
const chunks = (length: number) => Array.from({ length }, () => ({ sha256: "0".repeat(64), rows: 1, row_start: 0 }));

test("a forecast is told with its range and what it rests on", () => {
  expect(forecastText(made, { order: "mixed", chunks: chunks(101) })).toBe(
    "5 h 10 min left (4 h 40 min to 5 h 55 min) at 41,000 tokens/s and 2,130 tokens a row",
  );
});

test("in file order it says that the rest may be otherwise", () => {
  for (const file of [
    { order: "file" as const, chunks: chunks(101) },
    { order: "mixed" as const, chunks: chunks(100) },
  ])
    expect(forecastText({ ...made, fastest: 18_600, slowest: 18_600 }, file)).toBe(
      "5 h 10 min left at 41,000 tokens/s and 2,130 tokens a row; in file order, what is done may not be like the rest",
    );
});

test("only rows that an engine was asked cost anything", () => {
  const row = (attempts: number | null, completion_tokens: number | null, scored_at: number) =>
    ({ attempts, completion_tokens, scored_at }) as ResultRow;
  expect(costOf([row(1, 100, 5), row(0, 900, 9), row(2, 50, 7), row(null, null, 8)])).toEqual({
    at: 7,
    rows: 2,
    tokens: 150,
  });
  expect(costOf([row(0, 900, 9)])).toBeNull();
});
