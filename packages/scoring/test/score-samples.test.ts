import { getEventListeners } from "node:events";
import {
  type BatchFile,
  type CombineRule,
  combineRules,
  combineSamples,
  isAssayError,
  type ResultRow,
  reward,
  shardKey,
  summaryKey,
} from "@assay/core";
import { decodeShard, encodeShard } from "@assay/datasets";
import { memoryStore } from "@assay/testkit";
import { beforeEach, describe, expect, test } from "@jest/globals";
import { summariseBatch, summaryBytes } from "../src/finalize-batch.ts";
import { openRowMemory } from "../src/row-memory.ts";
import { openRowsAhead } from "../src/rows-ahead.ts";
import { scoreChunk } from "../src/score-chunk.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { contextOf, never, profile, record, records, submit } from "./build-batch.ts";
import { immediateClock, until } from "./immediate-clock.ts";
import { type Ask, type Say, scriptedPool } from "./scripted-pool.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";

/** A sampled model: another probability at each draw. */
const yes = (row: string, draw: number): number => 0.05 + ((row.charCodeAt(1) * 37 + draw * 29) % 90) / 100;

async function chunkOf(
  batch: { samples?: number; seed?: number | null; combine?: CombineRule },
  options: { text?: string; script?: (ask: Ask) => Say; signal?: AbortSignal } = {},
) {
  const { samples = 5, seed = 40, combine } = batch;
  const store = memoryStore();
  const own = combine === undefined ? profile : { ...profile, combine };
  const file = await submit(store, options.text ?? records(3), { batch: { samples, seed, profile: own } });
  const pool = scriptedPool({ slots: 64, yes, script: options.script ?? (() => "verdict") });
  const clock = immediateClock();
  const scoring = scoreChunk(
    { store, spool: null, memory: openRowMemory(), ahead: openRowsAhead(clock), pool, encodeShard, clock },
    contextOf(file),
    0,
    {
      drain: never,
      signal: options.signal ?? never,
      abort: options.signal ?? never,
      software: "0.0.0-test",
      onLined: () => {},
      onRefused: () => {},
      onSpooled: () => {},
      onAway: () => {},
    },
  );
  return { store, file, pool, scoring };
}

async function rowsOf(...args: Parameters<typeof chunkOf>): Promise<{ rows: ResultRow[]; log: readonly Ask[] }> {
  const { store, file, pool, scoring } = await chunkOf(...args);
  await scoring;
  const { rows } = await decodeShard(store.objects.get(shardKey(file.batch, 0))!);
  return { rows, log: pool.log };
}

describe("rows of several samples", () => {
  test("a row that is done leaves nothing behind at a signal that outlives it", async () => {
    const stop = new AbortController();
    const { rows, log } = await rowsOf({ samples: 12 }, { signal: stop.signal });
    expect([rows.length, log.length]).toEqual([3, 72]);
    expect(getEventListeners(stop.signal, "abort")).toEqual([]);
  });

  test.each(combineRules)("five answers a row, one line, combined by %s, through a shard and back", async (combine) => {
    const { rows, log } = await rowsOf({ combine });
    expect(rows).toHaveLength(3);
    expect(log.filter(({ kind }) => kind === "chat")).toHaveLength(15);
    for (const row of rows) {
      const samples = row.samples!;
      expect(samples.map(({ seed }) => seed)).toEqual([40, 41, 42, 43, 44]);
      expect(new Set(samples.map((sample) => sample.reward)).size).toBeGreaterThan(1);
      const combined = combineSamples(samples, combine);
      expect(row).toMatchObject({
        status: "ok",
        logprob_yes: combined.logprobYes,
        logprob_no: combined.logprobNo,
        yes_no_mass: combined.mass,
        reward: reward(combined.logprobYes!, combined.logprobNo!),
        attempts: 1,
        completion_tokens: samples.reduce((sum, sample) => sum + sample.completion_tokens!, 0),
      });
    }
  });

  test("no seed is sent where none was given, and each request of a row is the same but for its seed", async () => {
    const unseeded = await rowsOf({ seed: null });
    expect(unseeded.log.some(({ request }) => request.kind === "chat" && request.seed !== null)).toBe(false);
    expect(unseeded.rows[0]!.samples!.map(({ seed }) => seed)).toEqual([null, null, null, null, null]);
    const seeded = await rowsOf({}, { text: records(1) });
    const chats = seeded.log.flatMap(({ request }) => (request.kind === "chat" ? [request] : []));
    expect(chats.map(({ seed }) => seed)).toEqual([40, 41, 42, 43, 44]);
    expect(new Set(chats.map((request) => JSON.stringify({ ...request, seed: null }))).size).toBe(1);
  });

  test("a row's samples stand in line next to each other, and share a prefix that is theirs alone", async () => {
    const { pool, scoring } = await chunkOf({});
    await scoring;
    expect(pool.log.slice(0, 15).map(({ row }) => row)).toEqual(
      ["r0", "r1", "r2"].flatMap((r) => Array.from({ length: 5 }, () => `${r}|is it right`)),
    );
    const responses = pool.prefixes.map((prefix) => prefix?.response);
    expect(new Set(responses).size).toBe(3);
    expect(responses).not.toContain(null);
  });

  test("one sample is the row itself: no samples, the seed as given, the bytes that they always were", async () => {
    const { rows, log } = await rowsOf({ samples: 1 });
    expect(rows.every(({ samples }) => samples === null)).toBe(true);
    expect(log.every(({ request }) => request.kind === "read" || request.seed === 40)).toBe(true);
    const other = await rowsOf({ samples: 1, combine: "majority" });
    const same = ({ batch: _batch, ...row }: ResultRow): object => row;
    expect(other.rows.map(same)).toEqual(rows.map(same));
  });

  test("fewer ok answers than half are no verdict; a row that asks nothing has no samples", async () => {
    const text = `${record(1)}\n${record(2, { response: "<think>" })}\n{\n`;
    const cut = { completion: { finishReason: "length" } } as const;
    const failing = (times: number) =>
      rowsOf({}, { text, script: ({ kind, nth }) => (kind === "chat" && nth <= times ? cut : "verdict") });
    const [two, three] = [await failing(2), await failing(3)];
    expect(two.rows[0]).toMatchObject({ status: "ok", error_code: null });
    expect(three.rows[0]).toMatchObject({
      status: "truncated",
      reward: null,
      logprob_yes: null,
      error_message: "3 of 5 samples: the answer reached the token budget",
    });
    expect(three.rows[0]!.samples!.filter(({ status }) => status === "ok")).toHaveLength(2);
    expect(two.rows.slice(1).map(({ status, samples }) => [status, samples])).toEqual([
      ["no_response", null],
      ["bad_input", null],
    ]);
  });

  test("a chunk that is stopped while one sample is running has no such row, and nobody is asked any more", async () => {
    const stop = new AbortController();
    const { store, file, pool, scoring } = await chunkOf(
      {},
      {
        text: records(1),
        signal: stop.signal,
        script: ({ kind, nth }) => (kind === "chat" && nth === 4 ? "hang" : "verdict"),
      },
    );
    const ended = scoring.catch((error: unknown) => error);
    await until(() => pool.inFlight() === 1);
    stop.abort();
    expect(isAssayError(await ended, "E_ABORTED")).toBe(true);
    expect(pool.inFlight()).toBe(0);
    expect(store.objects.has(shardKey(file.batch, 0))).toBe(false);
  });

  test("an engine that refuses the batch ends all samples of a row, also those that hang", async () => {
    const { pool, scoring } = await chunkOf(
      {},
      { text: records(1), script: ({ nth }) => (nth === 1 ? "hang" : "wrong_model") },
    );
    expect(isAssayError(await scoring.catch((error: unknown) => error), "E_ENGINES_FENCED")).toBe(true);
    expect(pool.inFlight()).toBe(0);
  });
});

describe("verify of rows with samples", () => {
  let file: BatchFile;
  let store: ReturnType<typeof memoryStore>;
  beforeEach(async () => {
    store = memoryStore();
    const text = `${records(20)}${record(50, { response: "<think>" })}\n`;
    file = await submit(store, text, {
      batch: { samples: 3, seed: 7, profile: { ...profile, combine: "mean-p-yes" } },
    });
    const pool = scriptedPool({ yes });
    expect(await startWorker({ store, queue: wipeableQueue(), pool }).ended).toBe("idle");
  });

  const verify = () => verifyBatch({ store, decodeShard }, file.batch);

  /** A forger who mends the summary, too. */
  async function forge(change: (row: ResultRow) => ResultRow): Promise<void> {
    const key = shardKey(file.batch, 0);
    const decoded = await decodeShard(store.objects.get(key)!);
    const rows = decoded.rows.map((row) => (row.row_index === 4 ? change(row) : row));
    store.objects.set(key, encodeShard(rows, decoded.metadata as never, decoded.columns));
    const summary = await summariseBatch({ store, decodeShard }, file);
    store.objects.set(summaryKey(file.batch), summaryBytes(summary));
  }

  const better = (row: ResultRow): ResultRow => {
    const [yesPlus, no] = [row.logprob_yes! + 0.25, row.logprob_no!];
    return { ...row, logprob_yes: yesPlus, reward: reward(yesPlus, no) };
  };

  test("holds as it was scored", async () => {
    expect(await verify()).toMatchObject({ complete: true, broken: null, status: { ok: 20, no_response: 1 } });
  });

  test.each<[string, string, (row: ResultRow) => ResultRow]>([
    ["whose reward its samples do not give", "P8", better],
    ["with one sample less", "P1", (row) => ({ ...row, samples: row.samples!.slice(1) })],
    ["without samples", "P1", (row) => ({ ...row, samples: null })],
    ["with a sample of another seed", "P1", (row) => ({ ...row, samples: [...row.samples!].reverse() })],
    [
      "with a sample whose reward is not its own",
      "P8",
      (row) => ({ ...row, samples: row.samples!.map((sample, i) => (i === 1 ? { ...sample, reward: 1 } : sample)) }),
    ],
    [
      "that is ok though most of its samples are not",
      "P8",
      (row) => ({
        ...row,
        samples: row.samples!.map((sample, i) => (i === 0 ? sample : { ...sample, status: "looped", reward: null })),
      }),
    ],
  ])("breaks at a row %s: %s", async (_name, promise, change) => {
    await forge(change);
    const { broken } = await verify();
    expect(broken).toMatchObject({ promise });
    expect(broken!.where).toContain("row 4");
  });
});
