import { describe, expect, test } from "@jest/globals";
import { comparedRows, makeReadsFile, type ReadPair, readsBytes, readsFileSchema } from "../src/reads-file.ts";

/** `apart` of the n-th row. */
const pairs = (apart: (row: number) => number, count = comparedRows): ReadPair[] =>
  Array.from({ length: count }, (_, row) => ({
    row_index: row,
    two_step: row % 2 === 0 ? 3 : -3,
    ids: (row % 2 === 0 ? 3 : -3) + apart(row),
  }));

describe("reads.json", () => {
  test("fewer than 64 rows are no comparison", () => {
    expect(() => makeReadsFile(pairs(() => 0, 63))).toThrow(RangeError);
  });

  test.each([
    ["the same", () => 0, true],
    ["just under the bound", () => 0.2499, true],
    ["at the bound", () => 0.25, false],
    ["below it, too, counts", () => -0.3, false],
    // the 95th percentile of 64 is the 61st in order: three rows may be far off
    ["three of 64 far off", (row: number) => (row < 3 ? 9 : 0.01), true],
    ["four of 64 far off", (row: number) => (row < 4 ? 9 : 0.01), false],
  ])("%s", (_name, apart, mixes) => {
    expect(makeReadsFile(pairs(apart)).may_mix).toBe(mixes);
  });

  test("the first 64 pairs are kept and are all that counts", () => {
    const file = makeReadsFile(pairs((row) => (row < comparedRows ? 0.125 : 50), 90));
    expect(file).toMatchObject({ rows: 64, p95: 0.125, median: 0.125, may_mix: true });
    expect(file.pairs.map(({ row_index }) => row_index)).toEqual(Array.from({ length: 64 }, (_, i) => i));
  });

  test("comes back from its bytes", () => {
    const file = makeReadsFile(pairs((row) => row / 1_000));
    expect(readsFileSchema.parse(JSON.parse(new TextDecoder().decode(readsBytes(file))))).toEqual(file);
  });
});
