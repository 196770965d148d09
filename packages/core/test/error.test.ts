import { describe, expect, test } from "@jest/globals";
import {
  AssayError,
  type ErrorCode,
  errorTable,
  exitCode,
  isAssayError,
  renderError,
  toAssayError,
} from "../src/error.ts";

const codes = Object.keys(errorTable) as ErrorCode[];

describe("error: the table", () => {
  test.each(codes)("%s has an exit code of the design and a next step", (code) => {
    expect(code).toMatch(/^E_[A-Z]+(_[A-Z]+)*$/);
    expect(Object.values(exitCode)).toContain(errorTable[code].exit);
    expect(errorTable[code].exit).not.toBe(exitCode.ok);
    expect(errorTable[code].next.trim()).not.toBe("");
  });

  test("the exit codes are the documented ones", () => {
    expect(Object.values(exitCode)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 75]);
  });

  test.each<[ErrorCode, number, string]>([
    ["E_NAME_TAKEN", 1, "internal"],
    ["E_BATCH_CANCELLED", 2, "usage"],
    ["E_ROWS_FAILED", 3, "stop-batch"],
    ["E_INPUT_CHANGED", 4, "input"],
    ["E_DENIED", 5, "usage"],
    ["E_REDIS_UNAVAILABLE", 6, "infrastructure"],
    ["E_BROKEN", 7, "broken"],
    ["E_NOT_FINISHED", 75, "infrastructure"],
  ])("%s ends with %i and is %s", (code, exit, kind) => {
    const error = new AssayError(code, "m");
    expect([error.exit, error.class]).toEqual([exit, kind]);
  });
});

describe("error: what a person reads", () => {
  test("code and what, where, expected, got, next", () => {
    const error = new AssayError("E_INPUT_BAD", "too many records are bad", {
      where: "a.jsonl:7",
      expected: "at most 1 %",
      got: "12 %",
      next: "look at line 7",
    });
    expect(renderError(error)).toBe(
      "E_INPUT_BAD  too many records are bad\n  where     a.jsonl:7\n  expected  at most 1 %\n  got       12 %\n  next      look at line 7",
    );
  });

  test("a terminal obeys nothing of a file's name or of what was found", () => {
    const error = new AssayError("E_INPUT_MISSING", "gone", { where: "a\n\u001b[2J.jsonl", got: "\u202ex" });
    expect(renderError(error).split("\n").slice(1, 3)).toEqual([
      "  where     a\\u000a\\u001b[2J.jsonl",
      "  got       \\u202ex",
    ]);
  });

  test("what is not known is left out; the next step is the table's", () => {
    expect(renderError(new AssayError("E_NO_SUCH_BATCH", "no such batch"))).toBe(
      "E_NO_SUCH_BATCH  no such batch\n  next      assay ls",
    );
  });

  test("the cause is kept and never shown", () => {
    const cause = new Error("SECRET");
    const error = new AssayError("E_BROKEN", "m", { cause });
    expect(error.cause).toBe(cause);
    expect(renderError(error)).not.toContain("SECRET");
    expect("cause" in new AssayError("E_BROKEN", "m")).toBe(false);
  });
});

describe("error: recognised by name and code", () => {
  test("an error of another realm with the name is one of ours", () => {
    const error = new AssayError("E_BROKEN", "m");
    expect([isAssayError(error), isAssayError(error, "E_BROKEN"), isAssayError(error, "E_DENIED")]).toEqual([
      true,
      true,
      false,
    ]);
    expect(isAssayError({ name: "AssayError", code: "E_BROKEN" }, "E_BROKEN")).toBe(true);
    for (const other of [new Error("m"), null, undefined, "AssayError", {}]) expect(isAssayError(other)).toBe(false);
  });

  test("anything else thrown becomes E_INTERNAL with its cause", () => {
    const own = new AssayError("E_DENIED", "m");
    expect(toAssayError(own)).toBe(own);
    for (const [thrown, message] of [
      [new Error("boom"), "boom"],
      ["text", "text"],
      [undefined, "undefined"],
      [{ message: 7 }, "7"],
    ] as const) {
      expect(toAssayError(thrown)).toMatchObject({ code: "E_INTERNAL", message, exit: 1 });
      if (thrown !== undefined) expect(toAssayError(thrown).cause).toBe(thrown);
    }
  });
});
