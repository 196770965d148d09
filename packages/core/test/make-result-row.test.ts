import { describe, expect, test } from "@jest/globals";
import type { BatchFile } from "../src/batch-file.ts";
import { emptyOutcome, makeBadRow, makeResultRow, type RowOutcome } from "../src/make-result-row.ts";
import { resultColumns } from "../src/result-row.ts";
import type { Row } from "../src/row.ts";
import { statuses } from "../src/status.ts";

const file = {
  batch: "b-0123456789abcdef",
  model: "judge",
  keep_reasoning: "failed",
  columns: [
    { name: "domain", type: "string" },
    { name: "toString", type: "string" },
    { name: "absent", type: "double" },
  ],
} as unknown as BatchFile;

const row: Row = {
  rowIndex: 7,
  principleIndex: 1,
  principle: "correctness",
  line: {
    row_index: 6,
    id: "x",
    group: "g",
    input: "a.jsonl",
    input_line: 3,
    response_index: 2,
    messages: [{ role: "user", content: "q" }],
    response: "a",
    principles: [],
    carried: { domain: "math", n: 1, deep: { b: [1] } },
  },
};

const outcome = (parts: Partial<RowOutcome>): RowOutcome => ({ ...emptyOutcome, status: "ok", ...parts });
const scored = { logprobYes: -0.00011, logprobNo: -60, mass: 0.99989, attempts: 1 };

describe("make-result-row", () => {
  test("an ok row: its reward is of its two log-probabilities, clipped", () => {
    const made = makeResultRow(
      file,
      row,
      outcome({ ...scored, answer: " Yes", answerForm: " Yes", floored: false }),
      1_000,
    );
    expect(made).toMatchObject({
      row_index: 7,
      principle_index: 1,
      response_index: 2,
      input_line: 3,
      status: "ok",
      logprob_yes: -0.00011,
      logprob_no: -60,
      yes_no_mass: 0.99989,
      scored_at: 1_000,
      source: "scored",
      model: "judge",
      batch: file.batch,
      samples: null,
      carried: '{"domain":"math","n":1,"deep":{"b":[1]}}',
      columns: { in_domain: "math", in_toString: null, in_absent: null },
    });
    expect(made.reward).toBeCloseTo(49.99989, 9);
  });

  test.each(statuses.filter((status) => status !== "ok"))(
    "%s has no reward, even with both log-probabilities, which are kept",
    (status) => {
      const made = makeResultRow(file, row, outcome({ ...scored, status }), 0);
      expect([made.status, made.reward, made.logprob_yes, made.logprob_no]).toEqual([status, null, -0.00011, -60]);
    },
  );

  test("ok without both log-probabilities is a fault of ours, not a row", () => {
    expect(() => makeResultRow(file, row, outcome({ logprobYes: -1 }), 0)).toThrow("without both log-probabilities");
    expect(() => makeResultRow(file, row, outcome({ logprobNo: -1 }), 0)).toThrow("without both log-probabilities");
    expect(() => makeResultRow(file, row, outcome({ logprobYes: Number.NaN, logprobNo: -1 }), 0)).toThrow("finite");
  });

  test("reasoning: the end of failed rows by default, well-formed where the cut halves a character", () => {
    const text = `${"a".repeat(3_000)}END`;
    const keep = (keep_reasoning: BatchFile["keep_reasoning"], status: "ok" | "truncated", given = text) =>
      makeResultRow({ ...file, keep_reasoning }, row, outcome({ ...scored, status, text: given }), 0).reasoning;
    expect(keep("failed", "ok")).toBeNull();
    expect(keep("failed", "truncated")).toBe(text.slice(-2_000));
    expect(keep("none", "truncated")).toBeNull();
    expect(keep("all", "ok")).toBe(text);
    const halved = keep("failed", "truncated", `\u{1f600}${"b".repeat(1_999)}`);
    expect(halved?.isWellFormed()).toBe(true);
    expect(halved?.endsWith("b".repeat(1_999))).toBe(true);
    expect(keep("all", "ok", "\ud83d")?.isWellFormed()).toBe(true);
  });

  test("a bad record comes out with its file, line, kind and field, and nothing of its text", () => {
    const made = makeBadRow(
      file,
      { row_index: 4, id: "a:9", input: "sub/a.jsonl", input_line: 9, bad: "missing_prompt", at: 120, field: "prompt" },
      5,
    );
    expect(made).toMatchObject({
      row_index: 4,
      status: "bad_input",
      reward: null,
      error_code: "missing_prompt",
      error_message: "sub/a.jsonl:9: missing prompt (prompt)",
      columns: { in_domain: null, in_toString: null, in_absent: null },
    });
  });

  test("an engine's words that end in half a character do not block the chunk", () => {
    const parts = { ...scored, answer: "\udc00", errorMessage: "\u{1f600}\ud83d", text: "\ud83d" } as const;
    const made = makeResultRow({ ...file, keep_reasoning: "all" }, row, outcome({ ...parts, status: "rejected" }), 0);
    for (const text of [made.answer, made.error_message, made.reasoning]) expect(text?.isWellFormed()).toBe(true);
    expect(made.error_message).toBe("\u{1f600}\ufffd");
  });

  test("both kinds have every column of the schema", () => {
    const bad = makeBadRow(file, { row_index: 0, id: "i", input: "a", input_line: 1, bad: "invalid_json", at: 0 }, 0);
    for (const made of [bad, makeResultRow(file, row, outcome(scored), 0)])
      expect(Object.keys(made)).toEqual([...resultColumns, "columns"]);
  });

  test("nothing brought along: carried is null, not a text", () => {
    const bare = { ...row, line: { ...row.line, carried: null } };
    expect(makeResultRow(file, bare, outcome(scored), 0).carried).toBeNull();
  });
});
