import { gzipSync } from "node:zlib";
import { type ResultRow, type ShardMetadata, type Status, shardKey, shardMetadataKeys } from "@assay/core";
import { encodeShard } from "@assay/datasets";
import { expect, test } from "@jest/globals";
import { checkRun, type RunFacts } from "./check-run.ts";
import type { Ask } from "./engine-gate.ts";

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
    "quarantined although of two engines that ended only one had it",
    {
      ...stored(row(0), row(1, "quarantined")),
      engineEnds: [
        { engine, atMs: 1_500, untilMs: 1_600 },
        { engine, atMs: 3_000, untilMs: 3_100 },
      ],
    },
    /kills no engine/,
  ],
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

test("a row under which two engines of the plan ended is counted and no breach", async () => {
  const found = await checkRun({
    ...kept,
    ...stored(row(0), row(1, "quarantined")),
    asks: [ask(1, 1_000, 2_000), ask(1, 2_900, 3_050)],
    engineEnds: [
      { engine, atMs: 1_500, untilMs: 1_600 },
      { engine, atMs: 3_000, untilMs: 3_100 },
    ],
  });
  expect(found).toMatchObject({ quarantined: 1, broken: [] });
});

test("so is one that two killed workers had, whose engines ended before anybody could see them live; one that was seen to is a breach", async () => {
  const started = (at: number, attempt: string, by = "w0.2") => ({
    action: "PutObject" as const,
    key: `${batch}/partial/000000/${attempt}.start`,
    status: 200,
    by,
    at,
  });
  const killed = {
    ...kept,
    ...stored(row(0), row(1, "quarantined")),
    asks: [ask(1, 1_000, 1_999, "w0.0"), ask(1, 11_000, 12_000, "w0.1")],
    lives: [life("w0.0", 2_000, "SIGKILL"), life("w0.1", 12_000, "SIGKILL")],
    engineEnds: [
      { engine, atMs: 5_000, untilMs: 5_100 },
      { engine, atMs: 15_000, untilMs: 15_100 },
    ],
  };
  const late = [started(900, "a"), started(10_900, "b"), started(4_000, "other", "w1.0"), started(20_000, "c")];
  expect(await checkRun({ ...killed, log: late })).toMatchObject({ quarantined: 1, broken: [] });
  const seen = [...late, started(4_000, "d")];
  expect((await checkRun({ ...killed, log: seen })).broken.join("\n")).toMatch(/kills no engine/);
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
