import { createHash } from "node:crypto";
import { isAssayError, type ResultRow, resultColumns, type UserColumn } from "@assay/core";
import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { parquetMetadata } from "hyparquet";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { decodeShard } from "../src/decode-shard.ts";
import { encodeShard } from "../src/encode-shard.ts";
import { shardSchema } from "../src/shard-schema.ts";
import { anyRow, bareRow, metadata, okRow, userColumns } from "./result-rows.ts";

const seed = 20_261_124;

test("any rows come back as they were, with the footer and the user's columns", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyRow, { maxLength: 24 }), async (rows) => {
      const decoded = await decodeShard(encodeShard(rows, metadata, userColumns));
      expect(decoded.rows).toEqual(rows);
      expect(decoded.metadata).toEqual(metadata);
      expect(decoded.columns).toEqual(userColumns);
    }),
    { seed, numRuns: 60 },
  );
});

test.each([0, 1, 16, 17, 256])("%i rows, scored and bare ones in turn, come back in order", async (count) => {
  const rows = Array.from({ length: count }, (_, i) => (i % 2 === 0 ? okRow(i) : bareRow(i)));
  expect((await decodeShard(encodeShard(rows, metadata, userColumns))).rows).toEqual(rows);
});

test("no samples, an empty list and samples of nulls stay three different things", async () => {
  const none = {
    status: "no_verdict" as const,
    reward: null,
    logprob_yes: null,
    logprob_no: null,
    yes_no_mass: null,
    answer: null,
    finish_reason: null,
    completion_tokens: null,
    seed: null,
  };
  const one = { ...none, status: "ok" as const, reward: -2.5, seed: 2 ** 53 - 1, answer: "" };
  const rows = [null, [], [none], [one, none, one]].map((samples, i) => okRow(i, { samples }));
  const decoded = await decodeShard(encodeShard(rows, metadata, userColumns));
  expect(decoded.rows.map(({ samples }) => samples)).toEqual([null, [], [none], [one, none, one]]);
});

test("a shard without user columns has none", async () => {
  const rows = [okRow(0, { columns: {} })];
  const decoded = await decodeShard(encodeShard(rows, metadata, []));
  expect(decoded.rows).toEqual(rows);
  expect(decoded.columns).toEqual([]);
});

test("the same rows give the same bytes, in any order of a row's keys", () => {
  fc.assert(
    fc.property(fc.array(anyRow, { maxLength: 12 }), (rows) => {
      const turned = rows.map((row) => Object.fromEntries(Object.entries(row).reverse()) as unknown as ResultRow);
      const bytes = encodeShard(rows, metadata, userColumns);
      expect(Buffer.compare(bytes, encodeShard(turned, metadata, userColumns))).toBe(0);
    }),
    { seed, numRuns: 20 },
  );
});

test("identity: the bytes of one fixed shard", () => {
  const rows = [okRow(0), bareRow(1), okRow(2, { status: "truncated", reward: null, reasoning: "…" })];
  const bytes = encodeShard(rows, metadata, userColumns);
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(
    "5c19216ac52bf90d592bb166cbd6cbbf992130e02e42389268b86579c7432cde",
  );
});

test("schema 1 is these 37 columns and then the user's", () => {
  const bytes = encodeShard([], metadata, userColumns);
  const footer = parquetMetadata(bytes.slice().buffer);
  const said = footer.schema.map(({ name, type, repetition_type, logical_type, num_children }) =>
    [name, type, repetition_type, logical_type && JSON.stringify(logical_type), num_children]
      .filter((part) => part !== undefined)
      .join(" "),
  );
  const string = 'OPTIONAL {"type":"STRING"}';
  const requiredString = 'REQUIRED {"type":"STRING"}';
  expect(said).toEqual([
    "root 41",
    "row_index INT64 REQUIRED",
    `id BYTE_ARRAY ${requiredString}`,
    `group BYTE_ARRAY ${string}`,
    `input BYTE_ARRAY ${requiredString}`,
    "input_line INT64 REQUIRED",
    "response_index INT32 OPTIONAL",
    "principle_index INT32 OPTIONAL",
    `principle BYTE_ARRAY ${string}`,
    `row_key BYTE_ARRAY ${string}`,
    `status BYTE_ARRAY ${requiredString}`,
    "reward DOUBLE OPTIONAL",
    "logprob_yes DOUBLE OPTIONAL",
    "logprob_no DOUBLE OPTIONAL",
    "yes_no_mass DOUBLE OPTIONAL",
    "floored BOOLEAN OPTIONAL",
    `answer BYTE_ARRAY ${string}`,
    `answer_form BYTE_ARRAY ${string}`,
    `finish_reason BYTE_ARRAY ${string}`,
    `read BYTE_ARRAY ${string}`,
    "neutralised INT32 OPTIONAL",
    "stripped_chars INT32 OPTIONAL",
    "prompt_tokens INT32 OPTIONAL",
    "cached_tokens INT32 OPTIONAL",
    "completion_tokens INT32 OPTIONAL",
    "queue_ms INT32 OPTIONAL",
    "latency_ms INT32 OPTIONAL",
    "attempts INT32 OPTIONAL",
    `engine BYTE_ARRAY ${string}`,
    `error_code BYTE_ARRAY ${string}`,
    `error_message BYTE_ARRAY ${string}`,
    'scored_at INT64 REQUIRED {"type":"TIMESTAMP","isAdjustedToUTC":true,"unit":"MICROS"}',
    `source BYTE_ARRAY ${requiredString}`,
    `model BYTE_ARRAY ${requiredString}`,
    `batch BYTE_ARRAY ${requiredString}`,
    'samples OPTIONAL {"type":"LIST"} 1',
    "list REPEATED 1",
    "element OPTIONAL 9",
    `status BYTE_ARRAY ${string}`,
    "reward DOUBLE OPTIONAL",
    "logprob_yes DOUBLE OPTIONAL",
    "logprob_no DOUBLE OPTIONAL",
    "yes_no_mass DOUBLE OPTIONAL",
    `answer BYTE_ARRAY ${string}`,
    `finish_reason BYTE_ARRAY ${string}`,
    "completion_tokens INT32 OPTIONAL",
    "seed INT64 OPTIONAL",
    `carried BYTE_ARRAY ${string}`,
    `reasoning BYTE_ARRAY ${string}`,
    `in_label BYTE_ARRAY ${string}`,
    "in_score DOUBLE OPTIONAL",
    "in_turn INT64 OPTIONAL",
    "in_gold BOOLEAN OPTIONAL",
  ]);
  expect(resultColumns).toHaveLength(37);
  expect(footer.key_value_metadata?.map(({ key }) => key)).toEqual(Object.keys(metadata));
});

const sample = {
  status: "ok" as const,
  reward: 1,
  logprob_yes: -1,
  logprob_no: -2,
  yes_no_mass: 1,
  answer: " Yes",
  finish_reason: "stop",
  completion_tokens: 1,
  seed: 1,
};
const wrong = (value: unknown): never => value as never;
const secret = "the prompt of a customer";

test.each<[string, Partial<ResultRow>]>([
  ["reward", { reward: Number.NaN }],
  ["logprob_no", { logprob_no: Number.NEGATIVE_INFINITY }],
  ["yes_no_mass", { yes_no_mass: Number.POSITIVE_INFINITY }],
  ["reasoning", { reasoning: `${secret}\ud800` }],
  ["id", { id: "\udc00" }],
  ["reward", { status: "truncated" }],
  ["reward", { reward: null }],
  ["id", { id: wrong(null) }],
  ["status", { status: wrong(undefined), reward: null }],
  ["source", { source: wrong(undefined) }],
  ["scored_at", { scored_at: wrong(null) }],
  ["scored_at", { scored_at: Number.NaN }],
  ["scored_at", { scored_at: 8.64e15 + 1 }],
  ["row_index", { row_index: 2 ** 53 }],
  ["input_line", { input_line: 0.5 }],
  ["attempts", { attempts: 1.5 }],
  ["latency_ms", { latency_ms: 2 ** 31 }],
  ["logprob_yes", { logprob_yes: wrong(secret) }],
  ["answer", { answer: wrong(7) }],
  ["floored", { floored: wrong(1) }],
  ["samples[1].reward", { samples: [sample, { ...sample, reward: Number.NaN }] }],
  ["samples[0].reward", { samples: [{ ...sample, status: "looped" }] }],
  ["samples[0].answer", { samples: [{ ...sample, answer: "\ud83d" }] }],
  ["samples[0].seed", { samples: [{ ...sample, seed: 2 ** 60 }] }],
  ["in_label", { columns: { in_label: 1 } }],
  ["in_score", { columns: { in_score: Number.NaN } }],
  ["in_score", { columns: { in_score: secret } }],
  ["in_turn", { columns: { in_turn: 1.5 } }],
  ["in_gold", { columns: { in_gold: "true" } }],
])("refuses a wrong %s, naming row and column and showing no text (case %#)", (column, changes) => {
  let caught: unknown = null;
  try {
    encodeShard([okRow(41), okRow(42, changes)], metadata, userColumns);
  } catch (error) {
    caught = error;
  }
  expect(caught).toMatchObject({ code: "E_SHARD_SCHEMA", where: `row ${changes.row_index ?? 42}, column ${column}` });
  expect(JSON.stringify([caught, String(caught)])).not.toContain(secret);
});

test("another schema is refused at its first difference, whatever differs", async () => {
  const ours = shardSchema([]);
  const at = (name: string): number => ours.findIndex((element) => element.name === name);
  const changed = (name: string, changes: object) =>
    ours.map((element, i) => (i === at(name) ? { ...element, ...changes } : element));
  const micros = { type: "TIMESTAMP" as const, isAdjustedToUTC: true, unit: "MICROS" as const };
  const others: [string, ReturnType<typeof shardSchema>][] = [
    ["group", changed("group", { name: "team" })],
    ["reward", changed("reward", { type: "FLOAT" })],
    ["id", changed("id", { repetition_type: "OPTIONAL" })],
    ["scored_at", changed("scored_at", { logical_type: { ...micros, unit: "MILLIS" as const } })],
    ["scored_at", changed("scored_at", { logical_type: { ...micros, isAdjustedToUTC: false } })],
    ["carried", changed("carried", { logical_type: { type: "JSON" as const }, converted_type: "JSON" as const })],
    [
      "answer",
      ours.map((element, i) => ours[i === at("answer") ? i + 1 : i === at("answer") + 1 ? i - 1 : i] ?? element),
    ],
  ];
  for (const [column, schema] of others) {
    const error = await decodeShard(emptyFile(schema)).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: "E_BROKEN", where: `column ${at(column)}` });
    expect(isAssayError(error) && error.expected).toMatch(new RegExp(`^${column} `));
  }
  expect((await decodeShard(emptyFile(ours))).rows).toEqual([]);
});

test("a column missing, one too many, and no Parquet at all are E_BROKEN", async () => {
  const ours = shardSchema([]);
  const more: UserColumn[] = [{ name: "x", type: "double" }];
  const files = [
    emptyFile([{ name: "root", num_children: 36 }, ...ours.slice(1, -1)]),
    emptyFile([...shardSchema(more), { name: "y", type: "DOUBLE", repetition_type: "OPTIONAL" }]),
    new Uint8Array(),
    new TextEncoder().encode("PAR1 and nothing behind it"),
    encodeShard([okRow(0)], metadata, userColumns).subarray(0, 900),
  ];
  for (const bytes of files) await expect(decodeShard(bytes)).rejects.toMatchObject({ code: "E_BROKEN" });
});

test("an integer beyond 2^53 is E_BROKEN, never a rounded number", async () => {
  const columns: UserColumn[] = [{ name: "turn", type: "int64" }];
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({ writer, schema: shardSchema(columns) });
  const row = okRow(0);
  const data = Object.entries(row).flatMap(([name, value]) => {
    if (name === "columns") return [{ name: "in_turn", data: [2n ** 53n + 1n] }];
    if (name === "row_index" || name === "input_line") return [{ name, data: [BigInt(value as number)] }];
    return [{ name, data: [name === "scored_at" ? new Date(value as number) : value] }];
  });
  await parquet.write({ columnData: data });
  await parquet.finish();
  await expect(decodeShard(writer.getBytes())).rejects.toMatchObject({ code: "E_BROKEN" });
});

function emptyFile(schema: ReturnType<typeof shardSchema>): Uint8Array {
  const writer = new ByteWriter();
  void new ParquetWriter({ writer, schema }).finish();
  return writer.getBytes();
}
