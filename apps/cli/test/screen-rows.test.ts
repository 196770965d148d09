import { describe, expect, test } from "@jest/globals";
import { screenRows } from "../src/screen-rows.ts";

describe("a line takes the rows that it wraps to", () => {
  test.each<[string, string, number, number]>([
    ["nothing", "", 10, 1],
    ["a row to its end", "x".repeat(10), 10, 1],
    ["one character more", "x".repeat(11), 10, 2],
    ["many rows", "x".repeat(95), 10, 10],
    ["accents of their own", "e\u0301".repeat(10), 10, 1],
    ["wide characters", "汉".repeat(5), 10, 1],
    ["a wide character that does not fit at the end", "x汉汉汉汉汉", 10, 2],
    ["an odd number of columns", "汉".repeat(8), 9, 2],
    ["Hangul, and Hangul in parts", `${"한".repeat(5)}${"한".normalize("NFD").repeat(5)}`, 10, 2],
    ["pictures beyond the first plane", "🤔".repeat(6), 10, 2],
    ["ambiguous ones, narrow", "…·█é".repeat(5), 10, 2],
    ["a terminal of one column", "汉x", 1, 2],
  ])("%s", (_, line, columns, rows) => {
    expect(screenRows([line], columns)).toBe(rows);
  });

  test("and several lines the sum of theirs", () => {
    expect(screenRows([], 80)).toBe(0);
    expect(screenRows(["", "x".repeat(81), "x".repeat(80)], 80)).toBe(4);
  });
});
