import { type BatchFile, type ControlEntry, profileByName, type Status } from "@assay/core";
import { memoryStore } from "@assay/testkit";
import { describe, expect, test } from "@jest/globals";
import { mendRecords } from "../src/mend-records.ts";
import { oddInputs } from "../src/plan-inputs.ts";
import type { BatchState } from "../src/read-state.ts";
import { refuseFailedRows } from "../src/refuse-failed-rows.ts";
import { statusText } from "../src/show-summary.ts";
import { stepAfterFailures } from "../src/step-after-failures.ts";
import { tabbed, table } from "../src/table.ts";
import { equalIdsText, nightText } from "../src/verbs/plan.ts";
import { whyNotDone } from "../src/why-not-done.ts";

test("a night is told with its rate and where that comes from", () => {
  const genrm = profileByName("genrm-principle")!;
  expect(nightText(20_000_000, genrm)).toBe(
    `20,000,000 rows; at 21,000 an hour and node (2,000 tokens a row, ${genrm.rate?.source}) 40 days on one node`,
  );
  expect(nightText(1, profileByName("yes-no")!)).toBe("1 row; the profile states no rate");
});

test("tables line up, and programs get tabs", () => {
  const rows = [
    ["BATCH", "ROWS", "TAGS"],
    ["a", "1,000", ""],
  ];
  expect(
    table([
      ["名前", "b"],
      ["aé👩‍🚀", "c"],
    ]),
  ).toEqual(["名前  b", "aé👩‍🚀  c"]);
  expect(table(rows)).toEqual(["BATCH  ROWS   TAGS", "a      1,000"]);
  expect(tabbed(rows)).toEqual(["BATCH\tROWS\tTAGS", "a\t1,000\t"]);
});

test("statuses are told with ok first and the rest by number", () => {
  expect(statusText({ truncated: 2, no_response: 1_000, ok: 3 })).toBe("3 ok, 1,000 no_response, 2 truncated");
  expect(statusText({})).toBe("none yet");
});

describe("rows without a reward", () => {
  const file = { batch: "a-0123" } as BatchFile;
  const summary = { rows: 100, status: { ok: 95, truncated: 4, bad_input: 1 } };
  const refuse = (maxFailed: number) =>
    refuseFailedRows({ store: memoryStore(), file, summary: summary as never }, maxFailed, undefined);

  test("are fine up to the limit", async () => {
    expect(await refuse(0.05)).toBe(95);
  });

  test("are exit 3 beyond it, with what they ended in", async () => {
    await expect(refuse(0.04)).rejects.toMatchObject({
      code: "E_ROWS_FAILED",
      exit: 3,
      got: "4 truncated, 1 bad_input",
      where: "a-0123",
    });
  });
});

describe("what to type after failures", () => {
  const profile = profileByName("genrm-principle")!;
  const member = (batch: string, budget: number): BatchFile =>
    ({ batch, profile: { ...profile, max_tokens: budget } }) as BatchFile;
  const again = (status: Status, budget: number | null, complete = true) => ({
    complete,
    link: { filter: { status: [status] }, set: budget === null ? {} : { max_tokens: String(budget) } },
    file: member("a-r1", budget ?? 100),
  });
  const step = (status: Status, batches: string[], ...retries: ReturnType<typeof again>[]): string =>
    stepAfterFailures({ head: member("a", 100), retries } as never, { status, batches } as never, undefined);

  test("twice the largest budget that was too small, and --again where the same was asked already", () => {
    expect(step("truncated", ["a"])).toBe("assay retry a --status truncated --set max_tokens=200");
    expect(step("truncated", ["a", "a-r1"], again("truncated", 200))).toContain("max_tokens=400");
    expect(step("looped", ["a"])).toBe("assay retry a --status looped");
    expect(step("looped", ["a-r1"], again("looped", null))).toBe("assay retry a --status looped --again");
    expect(step("looped", ["a"], again("looped", null, false))).not.toContain("--again");
    expect(step("truncated", ["a"], again("truncated", 200))).toMatch(/max_tokens=200 --again$/);
    expect(step("bad_input", ["a"])).not.toContain("assay retry");
    // a new batch would ask millions of rows again for the sake of one line
    expect(step("bad_input", ["a"])).toContain("submit it again with --reuse a:");
  });
});

describe("why a batch is not complete", () => {
  const file = { batch: "a-0123", counts: { rows: 1_000 } } as BatchFile;
  const entry = { at: "2026-01-02T03:04:05.000Z", by: "ada@node", reason: null } as ControlEntry;
  const seen = (state: BatchState["state"], last: ControlEntry | null = null): BatchState =>
    ({ file, state, doneRows: 400, control: { last } }) as unknown as BatchState;

  test.each<[BatchState, string, number, string, string]>([
    [seen("running"), "E_NOT_FINISHED", 75, "400 done", "same command"],
    [seen("cancelled", entry), "E_BATCH_CANCELLED", 2, "by ada@node at 2026-01-02", "resume a-0123"],
    [seen("paused", entry), "E_NOT_FINISHED", 75, "by ada@node", "resume a-0123"],
    [
      seen("paused", { ...entry, by: "node:71", reason: "all rejected" }),
      "E_ROWS_FAILED",
      3,
      "all rejected",
      "--accept-failures",
    ],
    [seen("paused", { ...entry, reason: "electricity" }), "E_NOT_FINISHED", 75, "electricity", "resume a-0123"],
  ])("%#", (state, code, exit, got, next) => {
    const error = whyNotDone(state, undefined);
    expect({ code: error.code, exit: error.exit }).toEqual({ code, exit });
    expect(error.got).toContain(got);
    expect(error.next).toContain(next);
  });
});

test("equal ids that were no longer counted are not said to be none", () => {
  expect(equalIdsText({ equalIds: 0, ids: new Set() })).toBe("none");
  expect(equalIdsText({ equalIds: 0, ids: null })).toBe(
    "none up to 2,000,000 different ones; not counted from there on",
  );
  expect(equalIdsText({ equalIds: 1_204, ids: null })).toMatch(/^1,204 up to /);
});

test.each([
  [
    "missing_prompt",
    "prompt",
    null,
    "--map prompt=FIELD says which field it is; the first of them has question, answer",
  ],
  ["missing_prompt", "context", {}, "mend the records"],
  ["missing_principle", "principle", {}, "--principle TEXT gives one to records that bring none"],
  ["unsafe_integer", "id", null, 'write what is beyond 2^53 as text: "id": "9007199254740993"'],
  ["wrong_type", "prompt", null, "mend the records"],
  [
    "unsupported_content",
    "response, which ends the conversation already",
    null,
    "--map response=- leaves that field aside, and the last turn is judged",
  ],
] as const)("what to do about too many bad records goes by their kind: %s", (kind, field, map, next) => {
  const bad = new Map([
    ["line_too_long" as const, { count: 1, first: "a:1", field: undefined, fields: [] }],
    [kind, { count: 9, first: "a:2", field, fields: ["question", "answer"] }],
  ]);
  const counts = { records: 10, responses: 0, rows: 10, bad: 10 };
  expect(mendRecords({ bad, counts }, { map })).toBe(next);
  expect(mendRecords({ bad, counts: { ...counts, records: 20 } }, { map })).toBe(`${next}, or raise --max-bad`);
});

test("of many inputs those that gave nothing are named, but for a sample, in which a file may have no part", () => {
  const input = { bytes: 1, blank: 0, torn: 0 };
  const inputs = [
    { ...input, input: "a.jsonl", records: 5, bad: 1 },
    { ...input, input: "b.jsonl", records: 0, bad: 0 },
    { ...input, input: "c.jsonl", records: 3, bad: 3 },
    { ...input, input: "d.jsonl", records: 0, bad: 0 },
    { ...input, input: "e.jsonl", records: 0, bad: 0, torn: 1 },
  ];
  const file = { inputs } as unknown as BatchFile;
  expect(oddInputs({ file, sample: null })).toEqual([
    "2 files without a record, the first b.jsonl",
    "1 file of bad records alone, c.jsonl",
  ]);
  expect(oddInputs({ file, sample: { chosen: new Set([1]), of: 8 } })).toEqual([]);
});
