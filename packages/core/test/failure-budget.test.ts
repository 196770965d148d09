import { describe, expect, test } from "@jest/globals";
import { chunkFailedAsAWhole, createFailureBudget } from "../src/failure-budget.ts";
import type { ResultRow } from "../src/result-row.ts";
import { engineSideStatuses, type Status, statuses } from "../src/status.ts";

const times = (count: number, status: Status): Status[] => Array.from({ length: count }, () => status);

/** Index of the row at which the budget speaks, and the class; null when it never does. */
function speaksAt(rows: readonly Status[]): [number, Status] | null {
  const budget = createFailureBudget();
  for (const [i, status] of rows.entries()) {
    const failed = budget.add(status);
    if (failed !== null) return [i, failed];
  }
  return null;
}

describe("failure-budget", () => {
  test.each(engineSideStatuses)("%s in more than half of the first 50 rows", (status) => {
    expect(speaksAt([...times(24, "ok"), ...times(26, status)])).toEqual([49, status]);
    expect(speaksAt([...times(26, status), ...times(24, "ok")])).toEqual([49, status]);
    expect(speaksAt([...times(25, status), ...times(25, "ok")])).toBeNull();
    expect(speaksAt(times(49, status))).toBeNull();
  });

  test("a class of its own: two that are half together are no wrong setting", () => {
    expect(speaksAt([...times(25, "no_verdict"), ...times(25, "engine_error")])).toBeNull();
  });

  test("the last 200: the row that makes it more than half", () => {
    expect(speaksAt([...times(1_000, "ok"), ...times(200, "rejected")])).toEqual([1_100, "rejected"]);
    expect(speaksAt([...times(1_000, "ok"), ...times(100, "rejected"), ...times(500, "ok")])).toBeNull();
  });

  test("what says something about the row fences nothing", () => {
    const aboutRows = statuses.filter((status) => !(engineSideStatuses as readonly Status[]).includes(status));
    for (const status of aboutRows) expect(speaksAt(times(400, status))).toBeNull();
  });
});

describe("chunk that failed as a whole", () => {
  const row = (status: Status, attempts: number) => ({ status, attempts }) as ResultRow;
  const chunk = (rows: readonly Status[]) =>
    chunkFailedAsAWhole(rows.map((status) => row(status, status === "bad_input" || status === "no_response" ? 0 : 1)));

  test.each<[string, Status[], Status | null]>([
    ["16 of one class", times(16, "no_verdict"), "no_verdict"],
    ["15 are too few", times(15, "no_verdict"), null],
    ["rows never asked do not count", [...times(15, "no_verdict"), ...times(9, "bad_input"), "no_response"], null],
    ["nor do they save it", ["bad_input", ...times(16, "rejected"), "no_response"], "rejected"],
    ["one row that went well", [...times(255, "engine_error"), "ok"], null],
    ["two classes", [...times(16, "engine_error"), "no_verdict"], null],
    ["truncated says something about the rows", times(256, "truncated"), null],
    ["all well", times(16, "ok"), null],
    ["nothing", [], null],
  ])("%s", (_name, rows, expected) => {
    expect(chunk(rows)).toBe(expected);
  });

  test("rows that --specials reject turned away were never asked", () => {
    expect(chunkFailedAsAWhole(Array.from({ length: 256 }, () => row("rejected", 0)))).toBeNull();
  });
});
