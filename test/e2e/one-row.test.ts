import {
  buildReadRequest,
  buildRequest,
  findVerdict,
  isBadLine,
  logprobsAt,
  normaliseRecord,
  profileByName,
  readVerdict,
  recordLines,
  reward,
  rowKey,
  rowsOf,
  shardKey,
} from "@assay/core";
import { decodeKeys, decodeShard, encodeShard, readJsonl, readOwnRecords } from "@assay/datasets";
import { type Engines, engineAgentOptions, openEngines } from "@assay/engine/openai";
import { bullmqQueue } from "@assay/queue/bullmq";
import { type FoundRedis, testRedis } from "@assay/queue/private-redis";
import { loadBatch, openRoot, planBatch, reconcileBatch, runWorker, stageBatch, verifyBatch } from "@assay/scoring";
import { type Simulator, startSimulator } from "@assay/simulator";
import { memoryStore } from "@assay/testkit";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Agent } from "undici";
import { submitSettings } from "../submit-settings.ts";

/**
 * One row's way, step by step: what stands in which file, and what goes from one to the next. Each step is checked on
 * its own first; then the product walks the same way by itself, through a real Redis, and must come to the same reward.
 */

const record = { id: "sum", prompt: "What is 1+1?", response: "1+1=2", principle: "correctness", source: "school" };
const profile = profileByName("genrm-principle") ?? raise("no such profile");
const model = "simulator";

let simulator: Simulator;
let engines: Engines;
let redis: FoundRedis;
const agent = new Agent(engineAgentOptions());

beforeAll(async () => {
  simulator = await startSimulator({ model });
  engines = openEngines({ urls: [simulator.url], agent, apiKey: null, inFlight: 4, onWarning: () => {} });
  redis = await testRedis(process.env);
}, 120_000);

afterAll(async () => {
  await engines?.close();
  await agent.close();
  await simulator?.close();
  await redis?.close();
});

test("one row, from a line of the input to a reward in a shard", async () => {
  const never = new AbortController().signal;

  // read-jsonl: bytes -> records, with line and offset
  const source = () => bytesOf(`${JSON.stringify(record)}\n`);
  const batches = [];
  for await (const batch of readJsonl(source(), { where: "sums.jsonl" })) batches.push(...batch.records);
  expect(batches).toMatchObject([{ line: 1, offset: 0, parsed: { ok: true, value: record } }]);

  // normalise-record, record-lines: a record -> the lines of rows/, one per response, principles inside
  const records = { roles: profile.messages.roles, principles: [], map: {}, columns: [], carryAll: false };
  const place = { input: "sums.jsonl", inputLine: 1, offset: 0, rowIndex: 0 };
  const [line] = recordLines(normaliseRecord(record, records), place);
  if (line === undefined || isBadLine(line)) return raise("the record is not bad");
  expect(line).toMatchObject({ row_index: 0, id: "sum", response: "1+1=2", carried: { source: "school" } });
  const [row] = rowsOf(line);
  if (row === undefined) return raise("a line has rows");

  // build-request: a row -> what the engine is asked, and the row's key
  const settings = { model, profile, strip: "auto", specials: "neutralise", samples: 1, seed: null } as const;
  const built = buildRequest(row, settings, "two-step");
  if (built.kind !== "ask") return raise("the row is asked");
  expect(built.request.messages.map(({ role }) => role)).toEqual(["user", "assistant", "principle"]);
  expect(built.rowKey).toBe(rowKey({ messages: built.request.messages, model, profile, samples: 1, seed: null }));

  // complete: the first request -> a reasoning with its token ids, no log-probabilities
  const slot = await engines.pool.acquire("one-row", never);
  const first = await slot.complete(built.request, { signal: never, deadlineMs: 60_000 });
  if (!first.ok) return raise(first.failure.message);
  const { completion } = first;
  expect(completion.content).toMatch(/Final Judgement: (Yes|No)$/);

  // find-verdict: a completion -> the position of the verdict's token
  const found = findVerdict(completion, profile);
  if (!found.found) return raise(found.why);

  // the second request: exactly the ids before the verdict -> its two log-probabilities
  const { promptTokenIds, tokenIds } = completion;
  if (promptTokenIds === null || tokenIds === null) return raise("the ids are told");
  const cut = buildReadRequest(model, promptTokenIds, tokenIds, found.position, profile);
  const second = await slot.complete(cut, { signal: never, deadlineMs: 60_000 });
  slot.release();
  if (!second.ok) return raise(second.failure.message);

  // read-verdict, reward: log-probabilities -> a reward, or a reason why there is none
  const at = logprobsAt(second.completion, 0) ?? raise("log-probabilities are told");
  const read = readVerdict(at, found.form, profile, "two-step");
  expect(read).toMatchObject({ status: "ok", floored: false });
  expect(read.mass).toBeGreaterThan(0.99);
  const expected = reward(read.logprobYes ?? Number.NaN, read.logprobNo ?? Number.NaN);
  expect(expected).toBeGreaterThan(0);

  // plan-batch, submit-batch: inputs and settings -> a batch in the store, under the name of what it asks
  const store = memoryStore();
  const inputs = [{ input: "sums.jsonl", where: "sums.jsonl", open: async () => source(), ranges: neverAsked }];
  const submit = submitSettings(model, profile, "sums");
  const planned = await planBatch(inputs, submit, readOwnRecords);
  const staged = await stageBatch(store, planned, inputs, submit, readOwnRecords, { signal: never });
  const file = await loadBatch(store, staged.file.batch);
  expect(file.batch).toMatch(/^sums-[0-9a-f]{16}$/);

  // (queue), reconcile-batch: plan minus shards -> jobs that are addresses and nothing else
  const rootId = await openRoot(store, () => "0123456789abcdef");
  const queue = bullmqQueue({ connect: redis.connect, name: `assay.${rootId}.onerow`, workerName: "one-row" });
  expect(await reconcileBatch(store, queue, file)).toBe(1);

  // run-worker: score-chunk -> make-result-row -> encode-shard -> commit-shard -> finalize-batch
  const clock = {
    now: () => Date.parse(submit.createdAt),
    random: () => "f".repeat(16),
    sleep: async () => {},
    every: () => () => {},
  };
  const ended = await runWorker(
    {
      disk: null,
      store,
      queue,
      pool: engines.pool,
      probe: (asked, revision) => engines.probe(asked, model, revision),
      encodeShard,
      decodeShard,
      decodeKeys,
      clock,
    },
    {
      model,
      name: "one-row",
      software: "test",
      only: file.batch,
      untilIdle: true,
      drain: never,
      drainMs: null,
      abort: never,
      onEvent: () => {},
    },
  );
  await queue.close();
  expect(ended).toBe("idle");

  // the shard: one result per row, in row order, and the same reward
  const shard = await decodeShard((await store.get(shardKey(file.batch, 0))) ?? raise("the shard exists"));
  expect(shard.rows).toMatchObject([{ row_index: 0, id: "sum", status: "ok", read: "two-step", answer: found.answer }]);
  expect(shard.rows[0]?.reward).toBe(expected);
  expect(shard.metadata).toMatchObject({ "assay.batch": file.batch, "assay.simulated": "true" });

  // verify-batch: what was promised, from the store alone
  expect(await verifyBatch({ store, decodeShard }, file.batch)).toMatchObject({
    complete: true,
    rows: 1,
    broken: null,
  });
}, 60_000);

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}

function raise(what: string): never {
  throw new Error(what);
}

/** JSON Lines are read front to back. */
async function neverAsked(): Promise<never> {
  throw new Error("no range is read of JSON Lines");
}
