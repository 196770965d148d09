import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { faultMatrix } from "./fault-matrix.ts";
import { faultsPage } from "./faults-page.ts";
import { faultNames, kindOf } from "./processes/fault-kinds.ts";
import { readRuns } from "./processes/record-run.ts";

const text = (path: string): string => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");

test.each(faultMatrix.map((row) => [row.id, row] as const))("%s names tests that exist", (_id, { tests }) => {
  expect(tests.length).toBeGreaterThan(0);
  for (const [file, title] of tests) {
    const lines = text(file).split("\n");
    const found = lines.some((line) => line.includes(title) && /["'`]/.test(line) && !/^\s*(\/\/|\*)/.test(line));
    expect({ file, title, found }).toEqual({ file, title, found: true });
  }
});

test("no row stands twice, and what the nemesis does stands in rows that exist", () => {
  const ids = faultMatrix.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const known = new Set([...ids, "W1-8"]);
  for (const name of faultNames)
    for (const row of kindOf(name).rows) expect([name, known.has(row)]).toEqual([name, true]);
});

test("docs/reference/faults.md is what the matrix and the recorded runs make: npm run chaos:page", () => {
  expect(text("docs/reference/faults.md")).toBe(faultsPage(faultMatrix, readRuns()));
});
