import { expect, jest, test } from "@jest/globals";
import { maxChunks } from "../src/store-keys.ts";

/** The limit itself would need 256 million rows: the one place that says 999,999 is put in another's place. */
jest.unstable_mockModule("../src/store-keys.ts", () => ({ maxChunks: 3 }));
const { createChunker } = await import("../src/plan-batch.ts");

const line = (rowIndex: number) =>
  ({ row_index: rowIndex, id: "i", input: "a.jsonl", input_line: 1, bad: "invalid_json", at: 0 }) as const;

test("as many chunks as the limit are planned, one more is E_INPUT_TOO_LARGE", () => {
  const chunker = createChunker();
  const closed = Array.from({ length: 3 * 16 }, (_, i) => chunker.push(line(i))).flat();
  expect(closed.map(({ chunk }) => chunk)).toEqual([0, 1, 2]);
  expect(chunker.end()).toEqual([]);
  expect(chunker.push(line(48))).toEqual([]);
  expect(() => chunker.end()).toThrow(
    expect.objectContaining({ code: "E_INPUT_TOO_LARGE", got: "more, at row 48", expected: "at most 3 chunks" }),
  );
});

test("the real limit is what six digits hold", () => {
  expect(maxChunks).toBe(999_999);
});
