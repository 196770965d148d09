import { gzipSync } from "node:zlib";
import { type ResultRow, type ShardMetadata, type Status, shardKey, shardMetadataKeys } from "@assay/core";
import { encodeShard } from "@assay/datasets";
import { expect, test } from "@jest/globals";
import { checkRun } from "./check-run.ts";
import type { Ask } from "./engine-gate.ts";
import type { RunFacts } from "./run-facts.ts";

/** A run of one batch of two rows that was asked by one worker; each test plants one breach of a promise. */

const batch = "b-0123456789abcdef";
const engine = "http://127.0.0.1:1";
const nameOf = (row: number): string => `0.${row}.0`;
const metadata = Object.fromEntries(shardMetadataKeys.map((key) => [key, "x"])) as unknown as ShardMetadata;

function row(rowIndex: number, status: Status = "ok", reward: number | null = status === "ok" ? 1 : null): ResultRow {
  const asked = { id: `${rowIndex}`, input: "i", input_line: 1, source: "scored", model: "m", batch, scored_at: 1 };
  const none = Object.fromEntries(
    [
      ...["group", "response_index", "principle_index", "principle", "row_key", "logprob_yes", "logprob_no"],
      ...["yes_no_mass", "floored", "answer", "answer_form", "finish_reason", "read", "neutralised", "stripped_chars"],
      ...["prompt_tokens", "cached_tokens", "completion_tokens", "queue_ms", "latency_ms", "attempts", "engine"],
      ...["error_code", "error_message", "samples", "carried", "reasoning"],
    ].map((name) => [name, null]),
  );
  return { ...none, ...asked, row_index: rowIndex, status, reward, columns: {} } as unknown as ResultRow;
}

const shard = (...rows: ResultRow[]) => ({ bytes: encodeShard(rows, metadata, []) });
const ask = (rowIndex: number, at: number, endedAt: number, by = "w0.0"): Ask => ({
  row: nameOf(rowIndex),
  by,
  at,
  engine,
  endedAt,
});
const life = (name: string, endedAt: number | null, end: string | null) => ({
  name,
  worker: 0,
  startedAt: 0,
  endedAt,
  end,
  killed: end === "SIGKILL",
});

const kept: RunFacts = {
  batches: new Map([[batch, { names: new Map([0, 1].map((n) => [n, nameOf(n)])), isWhole: true }]]),
  objects: new Map([[shardKey(batch, 0), shard(row(0), row(1))]]),
  log: [],
  asks: [ask(0, 1_000, 2_000), ask(1, 1_000, 2_000)],
  lives: [life("w0.0", null, null)],
  storeFaults: [],
  engineEnds: [],
  expected: new Map([[batch, new Map([0, 1].map((n) => [n, 1]))]]),
};
const stored = (...rows: ResultRow[]) => ({ objects: new Map([[shardKey(batch, 0), shard(...rows)]]) });

test("nothing is found where everything was kept", async () => {
  expect(await checkRun(kept)).toMatchObject({ rows: 2, broken: [] });
});

test.each<[string, Partial<RunFacts>, RegExp]>([
  ["a lost row", stored(row(0)), /1 rows are lost/],
  ["a doubled row", stored(row(0), row(1), row(1)), /1 rows are doubled/],
  ["a row that no input has", stored(row(0), row(1), row(2)), /which no input has/],
  ["another reward", stored(row(0), row(1, "ok", 2)), /reward 2, an undisturbed engine gives 1/],
  ["a row that kills no engine, quarantined", stored(row(0), row(1, "quarantined")), /kills no engine/],
  [
    "a kill that made everybody ask anew",
    {
      asks: Array.from({ length: 400 }, (_, n) => [ask(n, 1, 2), ask(n, 20, 30, "w1.0")]).flat(),
      lives: [life("w0.0", 10, "SIGKILL")],
    },
    /wasted more than their bound/,
  ],
])("%s is found", async (_name, breach, sentence) => {
  expect((await checkRun({ ...kept, ...breach })).broken.join("\n")).toMatch(sentence);
});

/** Two attempts that were alone with row 1 and have no end, each of another worker; a third one judged. */
const put = (at: number, by: string, name: string) => ({
  action: "PutObject" as const,
  key: `${batch}/${name}`,
  status: 200,
  by,
  at,
});
const mark = (at: number, by: string, name: string) => put(at, by, `partial/000000/${name}`);
const [first, second, third] = ["a", "b", "c"].map((digit) => digit.repeat(16));
const condemned: RunFacts = {
  ...kept,
  ...stored(row(0), row(1, "quarantined")),
  log: [
    ...[mark(900, "w0.0", `${first}.start`), mark(950, "w0.0", `${first}.alone-1-01234567`)],
    ...[mark(10_900, "w1.0", `${second}.start`), mark(10_950, "w1.0", `${second}.alone-1`)],
    ...[mark(20_000, "w2.0", `${third}.start`), put(21_000, "w2.0", "rewards/000000.parquet")],
  ],
  asks: [ask(1, 1_000, 2_000), ask(1, 11_000, 12_000, "w1.0")],
  lives: [life("w0.0", 2_000, "SIGKILL"), life("w1.0", 12_000, "SIGKILL")],
};
const end = (atMs: number) => ({ engine, atMs, untilMs: atMs + 100 });
const living = { lives: [life("w0.0", null, null), life("w1.0", null, null)] };
const back = mark(4_000, "w0.1", `${"d".repeat(16)}.start`);

test.each<[string, Partial<RunFacts>]>([
  ["two engines of the plan ended under it", { ...living, engineEnds: [end(1_500), end(11_500)] }],
  ["its two workers were killed, and had not begun the chunk again", {}],
  ["nor has one who was back when another judged already", { log: [...condemned.log, { ...back, at: 20_500 }] }],
  [
    "the engine of a killed worker ended before that worker was back",
    { log: [...condemned.log, back], engineEnds: [end(3_000)] },
  ],
  ["a worker was killed after it had named it", { asks: condemned.asks.slice(1) }],
  ["the store took no end of two attempts", { ...living, storeFaults: [{ atMs: 2_000, untilMs: 14_000 }] }],
])("an innocent row that had to be quarantined is counted: %s", async (_name, facts) => {
  expect(await checkRun({ ...condemned, ...facts })).toMatchObject({ quarantined: 1, broken: [] });
});

const checkpoint = `${first}-000000.jsonl.gz`;
test.each<[string, Partial<RunFacts>]>([
  ["its workers live, as its engines do", living],
  ["of two engines that ended only one had it", { ...living, engineEnds: [end(1_500), end(15_000)] }],
  ["a killed worker was back, and its engine had not ended", { log: [...condemned.log, back] }],
  ["an attempt has an end", { log: [...condemned.log, mark(2_500, "w0.0", `${first}.end`)] }],
  [
    "an attempt has its result",
    {
      objects: new Map([
        ...condemned.objects,
        [`${batch}/partial/000000/${checkpoint}`, { bytes: gzipSync(`{}\n${JSON.stringify(row(1))}\n`) }],
      ]),
      log: [...condemned.log, mark(1_990, "w0.0", checkpoint)],
    },
  ],
  ["it was not alone", { log: condemned.log.map((entry) => ({ ...entry, key: entry.key.replace("alone", "among") })) }],
])("an innocent row that is quarantined is a breach where %s", async (_name, facts) => {
  expect((await checkRun({ ...condemned, ...facts })).broken.join("\n")).toMatch(/kills no engine/);
});

test.each<[Status, number]>([
  ["ok", 1],
  ["engine_error", 0],
])("of a row that a checkpoint holds as %s, %s may not be asked again", async (status, wrong) => {
  const checkpoint = `${batch}/partial/000000/0123456789abcdef-000000.jsonl.gz`;
  const lines = `{}\n${JSON.stringify(row(1, status))}\n`;
  const found = await checkRun({
    ...kept,
    objects: new Map([...kept.objects, [checkpoint, { bytes: gzipSync(lines) }]]),
    log: [
      { action: "PutObject", key: checkpoint, status: 200, by: "w0.0", at: 2_000 },
      { action: "GetObject", key: `${batch}/rows/000000.jsonl.gz`, status: 200, by: "w1.0", at: 4_000 },
    ],
    asks: [...kept.asks, ask(1, 5_000, 6_000, "w1.0")],
  });
  expect(found.checkpointedAskedAgain).toBe(wrong);
});
