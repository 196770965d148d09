import {
  type BatchFile,
  batchKey,
  isAssayError,
  type ResultRow,
  type RetryLink,
  retryKey,
  rowsKey,
  type Status,
  successKey,
} from "@assay/core";
import { decodeShard } from "@assay/datasets";
import type { ObjectStore } from "@assay/store";
import { memoryStore, seeded } from "@assay/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import fc from "fast-check";
import { appendControl } from "../src/control-log.ts";
import { readFamilyRows } from "../src/family-rows.ts";
import { readShards } from "../src/finalize-batch.ts";
import { groupFailures } from "../src/group-failures.ts";
import { isIdle } from "../src/is-idle.ts";
import { linkRetry } from "../src/link-retry.ts";
import { loadBatch } from "../src/load-batch.ts";
import { pinBatch } from "../src/pin-batch.ts";
import { readFamily } from "../src/read-family.ts";
import { stageRetry } from "../src/stage-retry.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { contents, model, never, pin, record, records, submit } from "./build-batch.ts";
import { killed, killedAt } from "./faulty-store.ts";
import { type Ask, type Say, scriptedPool } from "./scripted-pool.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";

jest.setTimeout(120_000);

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): void => {
  unhandled.push(reason);
};
beforeAll(() => {
  process.on("unhandledRejection", onUnhandled);
});
afterAll(() => {
  process.off("unhandledRejection", onUnhandled);
  expect(unhandled).toEqual([]);
});

const at = "2026-02-01T00:00:00.000Z";
const software = "0.0.0-test";
const staging = { software, signal: never };

let store: ReturnType<typeof memoryStore>;
beforeEach(() => {
  store = memoryStore();
});

const link = (
  head: BatchFile,
  status: readonly Status[],
  more: { set?: Record<string, string>; again?: boolean; by?: string; store?: ObjectStore } = {},
) =>
  linkRetry(
    { store: more.store ?? store, decodeShard },
    head,
    { status, set: new Map(Object.entries(more.set ?? {})), again: more.again === true },
    { at, by: more.by ?? "test" },
  );
const retry = async (head: BatchFile, status: readonly Status[], set: Record<string, string> = {}) => {
  const linked = await link(head, status, { set });
  return linked === null ? null : stageRetry({ store, decodeShard }, head, linked.n, staging);
};

/** Statuses that a script can give a row. */
const says: { readonly [status in "ok" | "truncated" | "looped" | "rejected"]: Say } = {
  ok: "verdict",
  truncated: { completion: { finishReason: "length" } },
  looped: { completion: { finishReason: "repetition" } },
  rejected: "rejected",
};
type Played = keyof typeof says;
const number = (ask: Ask): number => Number(/^r(\d+)/.exec(ask.row)?.[1]);

/** Scores whatever is open, each row as `plays` has it. */
async function score(plays: (row: number) => Played = () => "ok", on: ObjectStore = store): Promise<Ask[]> {
  const script = (ask: Ask): Say => (ask.kind === "chat" ? says[plays(number(ask))] : "verdict");
  const worker = startWorker({ store: on, queue: wipeableQueue(), pool: scriptedPool({ slots: 8, script }) });
  expect(await worker.ended).toBe("idle");
  return [...worker.pool.log];
}

async function rowsOfFamily(head: BatchFile): Promise<ResultRow[]> {
  const found: ResultRow[] = [];
  for await (const { rows } of readFamilyRows({ store, decodeShard }, await readFamily(store, head)))
    found.push(...rows);
  return found;
}

async function rowsOf(file: BatchFile): Promise<ResultRow[]> {
  const found: ResultRow[] = [];
  for await (const { rows } of readShards({ store, decodeShard }, file)) found.push(...rows);
  return found;
}

const code = (error: unknown): string => (isAssayError(error) ? error.code : String(error));

describe("a retry", () => {
  test("asks the rows of the statuses again, under their own row_index, and nothing else", async () => {
    const text = `${records(30)}{"broken\n${record(31, { principles: ["a", "b", "c"], score: 1 })}\n`;
    const head = await submit(store, text);
    await score((row) => (row % 3 === 0 ? "truncated" : row === 31 ? "rejected" : "ok"));
    const child = (await retry(head, ["truncated"], { max_tokens: "32000" }))!;
    expect(child).toMatchObject({
      batch: `${head.batch}-r1`,
      parent: { batch: head.batch, retry: 1 },
      profile: { max_tokens: 32_000 },
      counts: { records: 10, rows: 10, bad: 0 },
      created_at: at,
      tags: head.tags,
    });
    const log = await score();
    expect(
      log
        .filter(({ kind }) => kind === "chat")
        .map(number)
        .sort((a, b) => a - b),
    ).toEqual([0, 3, 6, 9, 12, 15, 18, 21, 24, 27]);
    expect(log.every(({ request }) => request.kind !== "chat" || request.maxTokens === 32_000)).toBe(true);
    expect((await rowsOf(child)).map(({ row_index, batch, status }) => [row_index, batch, status])).toEqual(
      [0, 3, 6, 9, 12, 15, 18, 21, 24, 27].map((row) => [row, child.batch, "ok"]),
    );
    expect(await verifyBatch({ store, decodeShard }, child.batch)).toMatchObject({ complete: true, broken: null });
    expect(await verifyBatch({ store, decodeShard }, head.batch)).toMatchObject({ complete: true, broken: null });
  });

  test("asks of a response with several principles only the ones that failed", async () => {
    const head = await submit(store, `${record(1, { principles: ["a", "b", "c"], score: 7 })}\n`, {
      batch: { columns: [{ name: "score", type: "int64" }] },
      records: {
        roles: ["user"],
        principles: [],
        map: {},
        columns: [{ name: "score", type: "int64" }],
        carryAll: false,
      },
    });
    const worker = startWorker({
      store,
      queue: wipeableQueue(),
      pool: scriptedPool({ script: ({ row }) => (row.endsWith("|b") ? "rejected" : "verdict") }),
    });
    expect(await worker.ended).toBe("idle");
    const child = (await retry(head, ["rejected"]))!;
    await score();
    const [first] = await rowsOf(head);
    expect(await rowsOf(child)).toEqual([
      expect.objectContaining({
        row_index: 1,
        principle: "b",
        principle_index: 1,
        status: "ok",
        id: first?.id,
        group: first?.group,
        carried: first?.carried,
        columns: { in_score: 7 },
      }),
    ]);
  });

  test("is one when it is typed twice: while it waits, while it runs, and when it is complete", async () => {
    const head = await submit(store, records(20));
    await score((row) => (row < 4 ? "truncated" : "ok"));
    expect(await link(head, ["truncated", "looped"])).toMatchObject({ n: 1, result: "created" });
    expect(await link(head, ["truncated", "looped"], { by: "another" })).toMatchObject({ n: 1, result: "exists" });
    await stageRetry({ store, decodeShard }, head, 1, staging);
    const staged = contents(store.objects);
    expect(await link(head, ["truncated", "looped"], { again: true })).toMatchObject({ n: 1, result: "exists" });
    await stageRetry({ store, decodeShard }, head, 1, staging);
    expect(contents(store.objects)).toBe(staged);
    await score((row) => (row < 2 ? "truncated" : "ok"));
    const complete = contents(store.objects);
    expect(await link(head, ["truncated", "looped"])).toMatchObject({ n: 1, result: "exists" });
    // a setting that changes nothing is no other retry
    expect(
      await link(head, ["truncated", "looped"], { set: { max_tokens: String(head.profile.max_tokens) } }),
    ).toMatchObject({
      n: 1,
      result: "exists",
    });
    expect(contents(store.objects)).toBe(complete);
    // by wish another one of what is left
    expect(await link(head, ["truncated", "looped"], { again: true })).toMatchObject({ n: 2, result: "created" });
    expect((await stageRetry({ store, decodeShard }, head, 2, staging)).counts.rows).toBe(2);
  });

  test("without a row of such a status says so, and writes nothing", async () => {
    const head = await submit(store, records(20));
    await score((row) => (row < 4 ? "truncated" : "ok"));
    const before = contents(store.objects);
    expect(await link(head, ["engine_error"])).toBeNull();
    expect(contents(store.objects)).toBe(before);
    await retry(head, ["truncated"]);
    await score();
    // all of them are ok now
    const after = contents(store.objects);
    expect(await link(head, ["truncated", "looped"])).toBeNull();
    expect(contents(store.objects)).toBe(after);
  });

  test("waits for the batch, and for the retry before it, a cancelled one included", async () => {
    const head = await submit(store, records(20));
    expect(await link(head, ["truncated"]).catch(code)).toBe("E_NOT_FINISHED");
    await score((row) => (row < 4 ? "truncated" : row < 6 ? "looped" : "ok"));
    const child = (await retry(head, ["truncated"]))!;
    expect(await link(head, ["looped"]).catch(code)).toBe("E_NOT_FINISHED");
    const author = { id: "p", at, by: "test" };
    await appendControl(store, child.batch, { state: "cancelled" }, author);
    await score();
    expect(await link(head, ["looped"]).catch(code)).toBe("E_NOT_FINISHED");
    await appendControl(store, child.batch, { state: "running" }, { ...author, id: "q" });
    await score();
    expect(await retry(head, ["looped"])).toMatchObject({ batch: `${head.batch}-r2`, counts: { rows: 2 } });
  });

  test("two people with different filters at once: one wins, the other is told who and what", async () => {
    const head = await submit(store, records(20));
    await score((row) => (row < 4 ? "truncated" : row < 6 ? "looped" : "ok"));
    const before = new Map(store.objects);
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      store = memoryStore(async () => {
        for (let turns = Math.floor(random() * 4); turns > 0; turns -= 1)
          await new Promise((resolve) => setImmediate(resolve));
      });
      for (const [key, bytes] of before) store.objects.set(key, bytes);
      const random = seeded(seed);
      const filters: Status[][] = [["truncated"], ["looped"]];
      const ends = await Promise.all(filters.map((status) => link(head, status, { by: status[0]! }).catch((e) => e)));
      const won = ends.findIndex((end) => !isAssayError(end));
      expect(ends[won]).toMatchObject({ n: 1, result: "created" });
      expect(ends[1 - won]).toMatchObject({ code: "E_NOT_FINISHED", got: expect.stringContaining(filters[won]![0]!) });
      expect((await stageRetry({ store, decodeShard }, head, 1, staging)).counts.rows).toBe(won === 0 ? 4 : 2);
    }
  });

  test("is not served by an engine that is not like the batch's: it has the batch's pin from the start", async () => {
    const head = await submit(store, records(20));
    await score((row) => (row < 4 ? "truncated" : "ok"));
    const child = (await retry(head, ["truncated"]))!;
    expect(await pinBatch(store, child.batch, { ...pin, simulated: true }).catch(code)).toBe("E_SIMULATED_MIX");
    await pinBatch(store, child.batch, pin);
  });

  test("of another generation of Assay is left to that one", async () => {
    const head = await submit(store, records(20));
    await score((row) => (row < 4 ? "truncated" : "ok"));
    await link(head, ["truncated"]);
    const key = retryKey(head.batch, 1);
    const linked = JSON.parse(Buffer.from(store.objects.get(key)!).toString()) as RetryLink;
    store.objects.set(key, Buffer.from(JSON.stringify({ ...linked, format: 2 })));
    expect(await stageRetry({ store, decodeShard }, head, 1, staging).catch(code)).toBe("E_USAGE");
  });
});

describe("a killed retry", () => {
  /** Kills `work` at each of its store operations in turn, and lets `then` look at what stands after each kill. */
  async function killEverywhere(
    work: (store: ObjectStore) => Promise<unknown>,
    then: (k: number) => Promise<void>,
  ): Promise<void> {
    const before = new Map(store.objects);
    for (let k = 1; ; k += 1) {
      for (const when of ["before", "after"] as const) {
        store = memoryStore();
        for (const [key, bytes] of before) store.objects.set(key, bytes);
        const end = await work(killedAt(store, k, when)).catch((error: unknown) => error);
        if (end !== killed) return;
        await then(k);
      }
    }
  }

  test("is carried on by a worker wherever it was killed, or never was; and by the same command", async () => {
    const head = await submit(store, records(40));
    await score((row) => (row % 2 === 0 ? "truncated" : "ok"));
    let whole: string | null = null;
    let carriedOn = 0;
    const run = async (on: ObjectStore): Promise<unknown> => {
      const linked = await link(head, ["truncated"], { store: on });
      return stageRetry({ store: on, decodeShard }, head, linked!.n, staging);
    };
    await killEverywhere(run, async () => {
      const isLinked = store.objects.has(retryKey(head.batch, 1));
      expect(await isIdle(store, model)).toBe(!isLinked);
      await score();
      expect(store.objects.has(successKey(`${head.batch}-r1`))).toBe(isLinked);
      if (isLinked) carriedOn += 1;
      // the same command, after a kill or after a worker has ended it, is the same retry
      expect(await run(store)).toMatchObject({ batch: `${head.batch}-r1`, counts: { rows: 20 } });
      const child = await loadBatch(store, `${head.batch}-r1`);
      const staged = contents(
        new Map([
          [batchKey(child.batch), store.objects.get(batchKey(child.batch))!],
          ...child.chunks.map((_, chunk) => {
            const key = rowsKey(child.batch, chunk);
            return [key, store.objects.get(key)!] as const;
          }),
        ]),
      );
      whole ??= staged;
      expect(staged).toBe(whole);
      await score();
      expect(await verifyBatch({ store, decodeShard }, child.batch)).toMatchObject({ complete: true, broken: null });
    });
    expect(carriedOn).toBeGreaterThan(8);
  });

  test("of another model's batch is left to that model's workers", async () => {
    const head = await submit(store, records(20));
    await score((row) => (row < 4 ? "truncated" : "ok"));
    await link(head, ["truncated"]);
    const worker = startWorker({ store, queue: wipeableQueue() }, { model: "another" });
    expect(await worker.ended).toBe("idle");
    expect(store.objects.has(batchKey(`${head.batch}-r1`))).toBe(false);
  });
});

describe("a family", () => {
  test("property: over any history of retries a row is ok at most once, and is told by its ok or its newest result", async () => {
    const filter = fc.subarray(["truncated", "looped", "rejected"] as const, { minLength: 1 });
    const history = fc.record({
      seed: fc.integer(),
      rows: fc.integer({ min: 1, max: 60 }),
      retries: fc.array(filter, { maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(history, async ({ seed, rows, retries }) => {
        store = memoryStore();
        const random = seeded(seed);
        const plays = (): Played =>
          (["ok", "ok", "truncated", "looped", "rejected"] as const)[Math.floor(random() * 5)]!;
        const head = await submit(store, records(rows));
        // a chunk whose rows all fail alike pauses its batch, which is not looked at here
        const author = (): { id: string; at: string; by: string } => ({ id: String(random()), at, by: "test" });
        await appendControl(store, head.batch, { accept_failures: true }, author());
        const asked = new Map<number, Played>();
        const played = (row: number): Played => {
          const status = plays();
          asked.set(row, status);
          return status;
        };
        await score(played);
        const expected = new Map(asked);
        for (const status of retries) {
          asked.clear();
          const linked = await link(head, status, { again: true });
          const wanted = [...expected].filter(([, was]) => status.some((one) => one === was)).map(([row]) => row);
          expect(linked === null).toBe(wanted.length === 0);
          if (linked === null) continue;
          const child = await stageRetry({ store, decodeShard }, head, linked.n, staging);
          await appendControl(store, child.batch, { accept_failures: true }, author());
          await score(played);
          expect([...asked.keys()].sort((a, b) => a - b)).toEqual(wanted.sort((a, b) => a - b));
          for (const [row, status] of asked) expected.set(row, status);
        }
        const { retries: children } = await readFamily(store, head);
        const ok: number[] = [];
        for (const { file } of [{ file: head }, ...children]) {
          for (const row of await rowsOf(file!)) if (row.status === "ok") ok.push(row.row_index);
          expect(await verifyBatch({ store, decodeShard }, file!.batch)).toMatchObject({
            complete: true,
            broken: null,
          });
        }
        expect(new Set(ok).size).toBe(ok.length);
        const family = await rowsOfFamily(head);
        expect(family.map(({ row_index }) => row_index)).toEqual([...Array(rows).keys()]);
        expect(family.map(({ status }) => status)).toEqual(family.map(({ row_index }) => expected.get(row_index)));
      }),
      { numRuns: 40 },
    );
  });

  test("shows of a retry that still runs what is there", async () => {
    const head = await submit(store, records(600));
    await score((row) => (row % 2 === 0 ? "truncated" : "ok"));
    const child = (await retry(head, ["truncated"]))!;
    expect(child.chunks.length).toBeGreaterThan(2);
    await score();
    const shard = `${child.batch}/rewards/000001.parquet`;
    store.objects.delete(shard);
    const rows = await rowsOfFamily(head);
    const { row_start, rows: gone } = child.chunks[1]!;
    expect(rows).toHaveLength(600);
    expect(rows.filter(({ status }) => status !== "ok")).toHaveLength(gone);
    expect(rows.find(({ status }) => status !== "ok")?.row_index).toBe(row_start);
  });
});

describe("failures", () => {
  test("are grouped by status and code over the family, the largest first, each with its first row", async () => {
    const head = await submit(store, `${records(30)}{"broken\n`);
    await score((row) => (row < 12 ? "truncated" : row < 15 ? "looped" : "ok"));
    const failures = async () => groupFailures({ store, decodeShard }, await readFamily(store, head));
    expect(await failures()).toMatchObject({
      rows: 31,
      failed: 16,
      groups: [
        {
          status: "truncated",
          error_code: "E_TRUNCATED",
          rows: 12,
          example: { row_index: 0, input: "in.jsonl", input_line: 1 },
        },
        {
          status: "looped",
          error_code: "E_LOOPED",
          rows: 3,
          example: { row_index: 12, id: "in:13", batch: head.batch },
        },
        { status: "bad_input", error_code: "invalid_json", rows: 1, example: { row_index: 30, input_line: 31 } },
      ],
    });
    const child = (await retry(head, ["truncated"]))!;
    await score((row) => (row === 7 ? "looped" : "ok"));
    expect(await failures()).toMatchObject({
      failed: 5,
      groups: [
        { status: "looped", rows: 4, example: { row_index: 7, batch: child.batch } },
        { status: "bad_input", rows: 1 },
      ],
    });
  });
});
