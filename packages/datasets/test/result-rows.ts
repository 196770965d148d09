import type { ResultRow, ResultSample, ShardMetadata, UserColumn } from "@assay/core";
import { statuses } from "@assay/core";
import fc from "fast-check";

/** One user column of each type. */
export const userColumns: readonly UserColumn[] = [
  { name: "label", type: "string" },
  { name: "score", type: "double" },
  { name: "turn", type: "int64" },
  { name: "gold", type: "boolean" },
];

export const metadata: ShardMetadata = {
  "assay.schema": "1",
  "assay.batch": "demo-0123456789abcdef",
  "assay.batch_sha256": "0".repeat(64),
  "assay.chunk": "7",
  "assay.profile": "genrm-principle",
  "assay.profile_sha256": "1".repeat(64),
  "assay.model": "a-model",
  "assay.revision": "",
  "assay.pin_sha256": "2".repeat(64),
  "assay.engine_version": "0.11.0",
  "assay.logprobs": "raw_logprobs",
  "assay.software": "0.1.0",
  "assay.simulated": "false",
};

/** A scored row; everything that may be null is set. */
export function okRow(rowIndex: number, changes: Partial<ResultRow> = {}): ResultRow {
  return {
    row_index: rowIndex,
    id: `rollouts:${rowIndex + 1}`,
    group: "0123456789abcdef",
    input: "rollouts.jsonl",
    input_line: rowIndex + 1,
    response_index: 0,
    principle_index: rowIndex % 2,
    principle: "correctness",
    row_key: "a".repeat(64),
    status: "ok",
    reward: 1.25 + rowIndex / 8,
    logprob_yes: -0.25,
    logprob_no: -1.5 - rowIndex / 8,
    yes_no_mass: 0.9990234375,
    floored: rowIndex % 3 === 0,
    answer: " Yes",
    answer_form: " Yes",
    finish_reason: "stop",
    read: "two-step",
    neutralised: 0,
    stripped_chars: 12,
    prompt_tokens: 100 + rowIndex,
    cached_tokens: 64,
    completion_tokens: 900,
    queue_ms: 3,
    latency_ms: 4_200,
    attempts: 1,
    engine: "http://127.0.0.1:8000",
    error_code: null,
    error_message: null,
    scored_at: 1_764_000_000_123 + rowIndex,
    source: "scored",
    model: "a-model",
    batch: "demo-0123456789abcdef",
    samples: null,
    carried: '{"n":1}',
    reasoning: null,
    columns: { in_label: "👩‍🚀", in_score: 0.1, in_turn: 9_007_199_254_740_991, in_gold: false },
    ...changes,
  };
}

/** A row with null wherever null may stand. */
export function bareRow(rowIndex: number): ResultRow {
  const row: { [column: string]: unknown } = Object.fromEntries(Object.keys(okRow(0)).map((name) => [name, null]));
  const { id, input, input_line, scored_at, source, model, batch } = okRow(rowIndex);
  return {
    ...row,
    row_index: rowIndex,
    id,
    input,
    input_line,
    scored_at,
    source,
    model,
    batch,
    status: "bad_input",
    columns: Object.fromEntries(userColumns.map(({ name }) => [`in_${name}`, null])),
  } as ResultRow;
}

const someText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 24 }),
  fc.constantFrom("", "👩‍🚀 日本", "\0", "\ufeff", "\ufeffa", "a\nb\r\n"),
);
const text = fc.option(someText);
// Parquet's dictionary knows one zero only
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const double = fc.option(number);
const int32 = fc.option(fc.integer());
const boolean = fc.option(fc.boolean());
const safeInteger = fc.maxSafeInteger();
const judged = fc.oneof(
  number.map((reward) => ({ status: "ok" as const, reward })),
  fc.constantFrom(...statuses.filter((status) => status !== "ok")).map((status) => ({ status, reward: null })),
);
const sample: fc.Arbitrary<ResultSample> = fc
  .tuple(
    judged,
    fc.record({
      logprob_yes: double,
      logprob_no: double,
      yes_no_mass: double,
      answer: text,
      finish_reason: text,
      completion_tokens: int32,
      seed: fc.option(safeInteger),
    }),
  )
  .map(([verdict, rest]) => ({ ...verdict, ...rest }));

/** Any row that a shard may hold, with the columns of `userColumns`. */
export const anyRow: fc.Arbitrary<ResultRow> = fc
  .tuple(
    judged,
    fc.record({
      row_index: fc.maxSafeNat(),
      id: someText,
      group: text,
      input: someText,
      input_line: fc.maxSafeNat(),
      response_index: int32,
      principle_index: int32,
      principle: text,
      row_key: text,
      logprob_yes: double,
      logprob_no: double,
      yes_no_mass: double,
      floored: boolean,
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
    }),
    fc.record({
      scored_at: fc.integer({ min: 0, max: 4_102_444_800_000 }),
      source: someText,
      model: someText,
      batch: someText,
      samples: fc.option(fc.array(sample, { maxLength: 3 })),
      carried: text,
      reasoning: text,
      columns: fc.record({ in_label: text, in_score: double, in_turn: fc.option(safeInteger), in_gold: boolean }),
    }),
  )
  .map(([verdict, first, rest]) => ({ ...verdict, ...first, ...rest }));
