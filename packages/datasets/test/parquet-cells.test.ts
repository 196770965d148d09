import { expect, test } from "@jest/globals";
import { plainParsers } from "../src/parquet-cells.ts";

test.each([
  [0, "1970-01-01"],
  [-719_528, "0000-01-01"],
  [2_932_896, "9999-12-31"],
  [3_672_893, "+012026-01-15"],
  // DuckDB's infinity
  [2_147_483_647, "185542587100800000000000 ns from 1970-01-01"],
])("a date of %d days is whole, whatever its year", (days, text) => {
  expect(plainParsers.dateFromDays?.(days)).toBe(text);
});

test("a time that no Date holds is its number", () => {
  expect(plainParsers.timestampFromMicroseconds?.(9_223_372_036_854_775_807n)).toBe(
    "9223372036854775807000 ns from 1970-01-01",
  );
  expect(plainParsers.timestampFromMilliseconds?.(8_640_000_000_000_000n)).toBe("+275760-09-13T00:00:00.000Z");
});
