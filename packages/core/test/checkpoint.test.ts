import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { decodeCheckpoint, encodeCheckpoint, isWorthKeeping } from "../src/checkpoint.ts";
import { type ResultRow, type ResultSample, resultColumns } from "../src/result-row.ts";
import { sha256 } from "../src/sha256.ts";
import { engineSideStatuses, statuses } from "../src/status.ts";

const seed = 20_261_126;
const batch = { batch_sha256: sha256("batch"), format: 1, pin_sha256: sha256("pin") };
const header = { ...batch, attempt: "00112233445566ff" };

const text = fc.option(
  fc.oneof(fc.string({ unit: "binary", maxLength: 20 }), fc.constantFrom("", "\0", "a\r\n\u2028b")),
);
const double = fc.option(
  fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(-0, 5e-324, -50)),
);
const int32 = fc.option(fc.integer());
const judged = { status: fc.constantFrom(...statuses), reward: double, logprob_yes: double, logprob_no: double };
const sample: fc.Arbitrary<ResultSample> = fc.record({
  ...judged,
  yes_no_mass: double,
  answer: text,
  finish_reason: text,
  completion_tokens: int32,
  seed: fc.option(fc.maxSafeInteger()),
});
const required = fc.string({ unit: "binary", maxLength: 20 });
const anyRow: fc.Arbitrary<ResultRow> = fc.record({
  ...judged,
  row_index: fc.maxSafeNat(),
  id: required,
  group: text,
  input: required,
  input_line: fc.maxSafeNat(),
  response_index: int32,
  principle_index: int32,
  principle: text,
  row_key: text,
  yes_no_mass: double,
  floored: fc.option(fc.boolean()),
  answer: text,
  answer_form: text,
  finish_reason: text,
  read: text,
  neutralised: int32,
  stripped_chars: int32,
  prompt_tokens: int32,
  cached_tokens: int32,
  completion_tokens: int32,
  queue_ms: int32,
  latency_ms: int32,
  attempts: int32,
  engine: text,
  error_code: text,
  error_message: text,
  scored_at: fc.maxSafeNat(),
  source: required,
  model: required,
  batch: required,
  samples: fc.option(fc.array(sample, { maxLength: 3 })),
  carried: text,
  reasoning: text,
  columns: fc.record({ in_a: text, in_b: double, in_c: fc.option(fc.boolean()) }),
});
const rows = fc.array(anyRow, { maxLength: 4 });

describe("checkpoint", () => {
  test(`what was put comes back: nulls, bits of every number, every character (seed ${seed})`, () => {
    fc.assert(
      fc.property(rows, (some) => {
        const back = decodeCheckpoint(encodeCheckpoint(header, some), batch);
        // toEqual tells 0 from -0
        expect(back).toEqual(some);
        for (const row of back ?? []) expect(Object.keys(row).sort()).toEqual([...resultColumns, "columns"].sort());
      }),
      { seed },
    );
  });

  test(`torn anywhere, it is none at all or ends at a line (seed ${seed})`, () => {
    fc.assert(
      fc.property(rows, fc.nat(), (some, at) => {
        const bytes = encodeCheckpoint(header, some);
        const torn = decodeCheckpoint(bytes.subarray(0, at % bytes.length), batch);
        if (torn !== null) expect(torn).toEqual(some.slice(0, torn.length));
      }),
      { seed },
    );
  });

  test.each([
    ["another batch", { ...header, batch_sha256: sha256("other") }],
    ["another pin", { ...header, pin_sha256: sha256("other") }],
    ["another format", { ...header, format: 2 }],
    ["a newer header", { ...header, more: 1 }],
  ])("%s: ignored", (_name, other) => {
    const [row] = fc.sample(anyRow, { seed, numRuns: 1 });
    expect(decodeCheckpoint(encodeCheckpoint(other, [row!]), batch)).toBeNull();
  });

  test.each([
    ["a column is missing", (row: ResultRow) => ({ ...row, reasoning: undefined })],
    ["a column is new", (row: ResultRow) => ({ ...row, more: 1 })],
    ["another type", (row: ResultRow) => ({ ...row, reward: "1" })],
    ["a number that no shard takes", (row: ResultRow) => ({ ...row, attempts: 2 ** 40 })],
    ["an unknown status", (row: ResultRow) => ({ ...row, status: "fine" })],
  ])("%s: ignored as a whole", (_name, change) => {
    const [row] = fc.sample(anyRow, { seed, numRuns: 1 });
    const line = JSON.stringify(change(row!));
    const bytes = new TextEncoder().encode(`${JSON.stringify(header)}\n${line}\n`);
    expect(decodeCheckpoint(bytes, batch)).toBeNull();
    expect(
      decodeCheckpoint(new TextEncoder().encode(`${JSON.stringify(header)}\n${JSON.stringify(row)}\n`), batch),
    ).toHaveLength(1);
  });

  test.each(["", "\n", "{}\n", "[]\n", "null\n", "no json\n", "\u0000"])("foreign bytes %j: ignored", (foreign) => {
    expect(decodeCheckpoint(new TextEncoder().encode(foreign), batch)).toBeNull();
  });

  test("what is no number is never put", () => {
    const [row] = fc.sample(anyRow, { seed, numRuns: 1 });
    for (const reward of [Number.NaN, Number.NEGATIVE_INFINITY])
      expect(() => encodeCheckpoint(header, [{ ...row!, reward }])).toThrow(TypeError);
  });

  test("kept is what was asked and ended in something about the row itself", () => {
    const [row] = fc.sample(anyRow, { seed, numRuns: 1 });
    for (const status of statuses) {
      const engineSide = (engineSideStatuses as readonly string[]).includes(status);
      expect(isWorthKeeping({ ...row!, status, attempts: 1 })).toBe(!engineSide);
      expect(isWorthKeeping({ ...row!, status, attempts: 0 })).toBe(false);
      expect(isWorthKeeping({ ...row!, status, attempts: null })).toBe(false);
    }
  });
});
