import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type BatchFile, batchFileSchema } from "../src/batch-file.ts";
import { batchName, parentOfRetry, retryName } from "../src/index.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import {
  defaultRetryStatuses,
  isSameRetry,
  narrowLine,
  parseRetryStatuses,
  type RetryLink,
  retryLinkBytes,
  retryLinkSchema,
  retrySettings,
  unretryableStatuses,
} from "../src/retry.ts";
import type { ResponseLine } from "../src/row.ts";
import { statuses } from "../src/status.ts";

const parent = { batch: "a-0123456789abcdef", profile: genrmPrinciple } as BatchFile;
const link = (status: RetryLink["filter"]["status"], set: RetryLink["set"] = {}, by = "x"): RetryLink => ({
  format: 1,
  filter: { status },
  set,
  at: "2026-01-01T00:00:00.000Z",
  by,
});

describe("retry: which rows", () => {
  test("by default all that another ask may change, and no engine is ended again by a plain retry", () => {
    expect(defaultRetryStatuses(new Map())).toEqual([
      "truncated",
      "looped",
      "no_verdict",
      "verdict_not_in_topk",
      "rejected",
      "engine_error",
    ]);
    expect(defaultRetryStatuses(new Map([["max_tokens", "8000"]]))).toContain("too_long");
  });

  test("every status can be named but those that asking cannot change; order and repeats do not matter", () => {
    for (const status of statuses) {
      const named = (): string[] => parseRetryStatuses([status]);
      if (unretryableStatuses.some((one) => one === status)) expect(named).toThrow(/asking again changes nothing/);
      else expect(named()).toEqual([status]);
    }
    expect(() => parseRetryStatuses(["truncatd"])).toThrow(/no such status/);
    expect(parseRetryStatuses(["looped", "truncated", "looped"])).toEqual(["truncated", "looped"]);
  });

  test("two links are one retry when they ask the same rows in the same way, whoever typed them how", () => {
    const one = link(["truncated"], { max_tokens: "32000" });
    expect(isSameRetry(parent, one, link(["truncated"], { max_tokens: "3.2e4" }, "another"))).toBe(true);
    expect(isSameRetry(parent, one, link(["truncated"], { max_tokens: "32001" }))).toBe(false);
    expect(isSameRetry(parent, one, link(["looped"], { max_tokens: "32000" }))).toBe(false);
  });

  test("a line keeps the wanted principles with their numbers, and is numbered by its first", () => {
    const line: ResponseLine = {
      row_index: 10,
      id: "i",
      group: "g",
      input: "a.jsonl",
      input_line: 3,
      response_index: 1,
      messages: [],
      response: "r",
      principles: [0, 1, 2].map((n) => ({ row_index: 10 + n, principle_index: n, text: `p${n}` })),
      carried: { a: 1 },
    };
    expect(narrowLine(line, (row) => row > 10)).toEqual({
      ...line,
      row_index: 11,
      principles: line.principles.slice(1),
    });
    expect(narrowLine(line, () => false)).toBeNull();
    const bad = { row_index: 1, id: "i", input: "a", input_line: 1, bad: "invalid_json" as const, at: 0 };
    expect(narrowLine(bad, () => true)).toBeNull();
  });
});

describe("retry: what is stored", () => {
  test("a link comes back from its bytes, which do not hang on the order of its fields", () => {
    const one = link(["truncated", "looped"], { max_tokens: "32000", temperature: "0" });
    const other = { ...one, set: { temperature: "0", max_tokens: "32000" } };
    expect(retryLinkBytes(one)).toEqual(retryLinkBytes(other));
    expect(retryLinkSchema.parse(JSON.parse(new TextDecoder().decode(retryLinkBytes(one))))).toEqual(one);
    expect(new TextDecoder().decode(retryLinkBytes(link(["looped"])))).toBe(
      '{"at":"2026-01-01T00:00:00.000Z","by":"x","filter":{"status":["looped"]},"format":1,"set":{}}\n',
    );
  });

  test("property: a child's name says whose it is; no batch's own name does", () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), fc.integer({ min: 1, max: 9_999 }), (readable, n, retry) => {
        const name = batchName(readable, n.toString(16).padStart(64, "0"));
        expect(parentOfRetry(name)).toBeNull();
        expect(parentOfRetry(retryName(name, retry))).toEqual({ batch: name, retry });
      }),
    );
  });

  test("the child's settings are the parent's but for what was set", () => {
    const file = { ...parent, tags: { run: "7" }, seed: 3, order: "file", software: "0.1.0" } as unknown as BatchFile;
    const child = retrySettings(file, link(["truncated"], { max_tokens: "32000" }));
    expect(child).toEqual({
      profile: { ...genrmPrinciple, max_tokens: 32_000 },
      tags: { run: "7" },
      seed: 3,
      order: "file",
      format: 1,
      created_at: "2026-01-01T00:00:00.000Z",
      inputs: [],
    });
    expect(Object.keys(batchFileSchema.shape)).toContain("parent");
  });
});
