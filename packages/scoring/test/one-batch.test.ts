import { randomBytes } from "node:crypto";
import { type BatchFile, isAssayError, sha256, shardKey } from "@assay/core";
import { decodeShard, encodeShard } from "@assay/datasets";
import type { Job, JobQueue, LeasedJob } from "@assay/queue";
import { bullmqQueue } from "@assay/queue/bullmq";
import { inProcessQueue } from "@assay/queue/in-process";
import { type FoundRedis, testRedis } from "@assay/queue/private-redis";
import { memoryStore } from "@assay/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { appendControl, type ControlChange, readControl } from "../src/control-log.ts";
import { readShards } from "../src/finalize-batch.ts";
import { pinBatch } from "../src/pin-batch.ts";
import { readLedger } from "../src/read-ledger.ts";
import { reconcileBatch, reweighBatch, withdrawBatch } from "../src/reconcile-batch.ts";
import { openRowMemory } from "../src/row-memory.ts";
import { openRowsAhead } from "../src/rows-ahead.ts";
import { scoreChunk } from "../src/score-chunk.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { contextOf, never, pin, plan, records, submit } from "./build-batch.ts";
import { immediateClock, turn, until } from "./immediate-clock.ts";
import { scriptedPool } from "./scripted-pool.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";

/** Pause, cancel and weight of one batch among others in a shared queue. */

let authors = 0;
async function control(store: ReturnType<typeof memoryStore>, file: BatchFile, change: ControlChange) {
  authors += 1;
  const author = { id: `person-${authors}`, at: "2026-01-01T00:00:00.000Z", by: "test" };
  return (await appendControl(store, file.batch, change, author)).control;
}

/** Promise.withResolvers, which Node 20 lacks. */
function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

let store: ReturnType<typeof memoryStore>;
beforeEach(() => {
  store = memoryStore();
});

let redis: FoundRedis;
beforeAll(async () => {
  redis = await testRedis(process.env);
}, 120_000);
afterAll(() => redis?.close());

const queues: [string, () => JobQueue][] = [
  ["in-process", () => inProcessQueue("q")],
  [
    "Redis",
    () =>
      bullmqQueue({
        connect: redis.connect,
        name: `assay.${randomBytes(8).toString("hex")}.00000000`,
        workerName: "test",
        pollMs: 20,
      }),
  ],
];

describe.each(queues)("weights, %s", (_name, open) => {
  let queue: JobQueue;
  beforeEach(() => {
    queue = open();
  });
  afterEach(() => queue.close());

  /** A plan of so many chunks; their rows are not looked at here. */
  async function planOf(letter: string, chunks: number): Promise<BatchFile> {
    const { file } = await plan(records(1));
    const chunk = { sha256: sha256(""), rows: 1 };
    return {
      ...file,
      batch: `${letter}-0000000000000000`,
      chunks: Array.from({ length: chunks }, (_, row_start) => ({ ...chunk, row_start })),
    };
  }

  /** Takes, commits and ends so many jobs; tells how many were each batch's. */
  async function work(jobs: number, between: (taken: number) => Promise<unknown> = async () => {}) {
    const taken: Job[] = [];
    while (taken.length < jobs) {
      const leased = await queue.take(never);
      if (leased === null) continue;
      taken.push(leased.job);
      store.objects.set(shardKey(leased.job.batch, leased.job.chunk), new Uint8Array());
      await leased.done();
      await between(taken.length);
    }
    return taken.map(({ batch }) => batch.slice(0, 1));
  }

  /** Of any 100 jobs in a row: the share of a batch is its weight's, within 5 %. */
  function expectShares(taken: readonly string[], shares: { readonly [letter: string]: number }): void {
    for (let from = 0; from + 100 <= taken.length; from += 1) {
      for (const [letter, share] of Object.entries(shares)) {
        const own = taken.slice(from, from + 100).filter((one) => one === letter).length;
        expect({ from, letter, isFair: Math.abs(own - 100 * share) <= 5 }).toEqual({ from, letter, isFair: true });
      }
    }
  }

  test("1 to 3, whoever came first, and also while everybody reconciles", async () => {
    const [a, b] = [await planOf("a", 5_400), await planOf("b", 900)];
    await control(store, b, { weight: 3 });
    await reconcileBatch(store, queue, a);
    await work(50);
    await reconcileBatch(store, queue, b);
    // more chunks than a window holds: each round adds some to the one, none to the other
    const taken = await work(400, async (n) => {
      if (n % 50 === 0) for (const file of [b, a]) await reconcileBatch(store, queue, file);
    });
    expectShares(taken, { a: 0.25, b: 0.75 });
  });

  test("a change of weight moves the jobs that wait, once, however many hear of it", async () => {
    const [a, b] = [await planOf("a", 900), await planOf("b", 900)];
    for (const file of [a, b]) await reconcileBatch(store, queue, file);
    expectShares(await work(200), { a: 0.5, b: 0.5 });
    const { n } = await control(store, b, { weight: 3 });
    const added: Job[] = [];
    const counting: JobQueue = {
      ...queue,
      add: async (jobs) => {
        added.push(...jobs);
        await queue.add(jobs);
      },
    };
    await Promise.all([1, 2, 3].map(() => reweighBatch(store, counting, b, n)));
    expect(added).toHaveLength((await readLedger(store, b)).missing.length);
    expectShares(await work(300), { a: 0.25, b: 0.75 });
    // and back, while jobs of it are in the hands of a fleet, which have had their turn
    const held: LeasedJob[] = [];
    while (held.length < 40) {
      const leased = await queue.take(never);
      if (leased !== null) held.push(leased);
    }
    await reweighBatch(store, queue, b, (await control(store, b, { weight: 1 })).n);
    expectShares(await work(200), { a: 0.5, b: 0.5 });
    for (const leased of held) await leased.done();
    // no other job was lost on the way
    for (const file of [a, b]) {
      const { missing } = await readLedger(store, file);
      const absent = await queue.missing(missing.map((chunk) => ({ batch: file.batch, chunk })));
      expect(absent).toHaveLength(held.filter(({ job }) => job.batch === file.batch).length);
    }
  });
});

describe("pause and cancel", () => {
  const rowsThere = async (file: BatchFile): Promise<number> => (await readLedger(store, file)).doneRows;

  test.each(["paused", "cancelled"] as const)(
    "%s: stays so through a wipe of the queue and the restore of an old one; the other batch goes on",
    async (state) => {
      const [file, other] = [await submit(store, records(30)), await submit(store, records(30, 100))];
      const queue = wipeableQueue();
      for (const each of [file, other]) await reconcileBatch(store, queue, each);
      await control(store, file, { state });
      await withdrawBatch(store, queue, file);
      queue.wipe();
      // an old AOF brings jobs back that were withdrawn
      await queue.add(file.chunks.map((_, chunk) => ({ batch: file.batch, chunk, priority: 1 })));
      expect(await startWorker({ store, queue }).ended).toBe("idle");
      expect(await rowsThere(file)).toBe(0);
      expect(await readControl(store, file.batch)).toMatchObject({ state });
      expect(await verifyBatch({ store, decodeShard }, other.batch)).toMatchObject({ complete: true, broken: null });

      await control(store, file, { state: "running" });
      expect(await startWorker({ store, queue: wipeableQueue() }).ended).toBe("idle");
      expect(await verifyBatch({ store, decodeShard }, file.batch)).toMatchObject({ complete: true, broken: null });
    },
  );

  test("a shard that comes after the cancel is kept: it is a valid result, and nobody asks its rows again", async () => {
    const file = await submit(store, records(40));
    await pinBatch(store, file.batch, pin);
    // it has looked at the control log, and its last answer is on its way
    const asked = deferred();
    const cancelled = deferred();
    const pool = scriptedPool({
      slots: 64,
      before: async () => {
        asked.resolve();
        await cancelled.promise;
      },
    });
    const clock = immediateClock();
    const held = { spool: null, memory: openRowMemory(), ahead: openRowsAhead(clock) };
    const ports = { store, ...held, pool, encodeShard, clock };
    const late = scoreChunk(ports, contextOf(file), 0, {
      drain: never,
      signal: never,
      abort: never,
      software: "0.0.0-test",
      onLined: () => {},
      onSpooled: () => {},
      onAway: () => {},
      onRefused: () => {},
    });
    await asked.promise;
    await control(store, file, { state: "cancelled" });
    cancelled.resolve();
    expect(await late).toMatchObject({ kind: "committed" });
    expect(await verifyBatch({ store, decodeShard }, file.batch)).toMatchObject({ complete: false, broken: null });

    const shard = store.objects.get(shardKey(file.batch, 0));
    await control(store, file, { state: "running" });
    const worker = startWorker({ store, queue: wipeableQueue() });
    expect(await worker.ended).toBe("idle");
    expect(worker.pool.log.some(({ row }) => row.startsWith("r0|"))).toBe(false);
    expect(store.objects.get(shardKey(file.batch, 0))).toBe(shard);
    for await (const { rows } of readShards({ store, decodeShard }, file))
      expect(rows.every(({ status }) => status === "ok")).toBe(true);
  });

  test("reaches chunks that run on another host, which no nudge reaches, within half a minute", async () => {
    jest.useFakeTimers({
      doNotFake: ["setImmediate", "setTimeout", "nextTick", "queueMicrotask", "Date", "performance"],
    });
    try {
      const file = await submit(store, records(16));
      // two hosts, two queues that know nothing of each other
      const host = () =>
        startWorker({ store, queue: wipeableQueue(), pool: scriptedPool({ slots: 64, script: () => "hang" }) });
      const first = host();
      await until(() => first.pool.inFlight() === 16);
      const hosts = [first, host()];
      // the store cannot tell an attempt that lives from one that died: who begins second is 8 times narrower
      await until(() => hosts[1]?.pool.inFlight() === 2);
      await control(store, file, { state: "cancelled" });
      jest.advanceTimersByTime(29_000);
      for (let turns = 0; turns < 50; turns += 1) await turn();
      expect(hosts.map(({ pool }) => pool.inFlight())).toEqual([16, 2]);
      jest.advanceTimersByTime(1_000);
      expect(await Promise.all(hosts.map(({ ended }) => ended))).toEqual(["idle", "idle"]);
      expect(hosts.map(({ pool }) => pool.inFlight())).toEqual([0, 0]);
      expect(await rowsThere(file)).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });

  test.each(["a look at the control log", "a chunk"])(
    "a new weight that a worker finds by itself, through %s, moves the jobs that wait in its queue",
    async (finder) => {
      jest.useFakeTimers({
        doNotFake: ["setImmediate", "setTimeout", "nextTick", "queueMicrotask", "Date", "performance"],
      });
      try {
        const file = await submit(store, records(64));
        const queue = inProcessQueue("q");
        const priorities: number[][] = [];
        const noting: JobQueue = {
          ...queue,
          add: async (jobs) => {
            priorities.push(jobs.map(({ priority }) => priority));
            await queue.add(jobs);
          },
        };
        const early = new Set<string>();
        let open = (): void => {};
        const gate = new Promise<void>((resolve) => {
          open = resolve;
        });
        const isEarly = (row: string): boolean => early.has(row) || (early.size < 16 && early.add(row).has(row));
        const pool = scriptedPool({
          slots: 16,
          before: ({ row }) => (isEarly(row) ? gate : turn()),
          script: ({ row }) => (isEarly(row) ? "verdict" : "hang"),
        });
        const worker = startWorker({ store, queue: noting, pool });
        await until(() => early.size === 16);
        for (let turns = 0; turns < 50; turns += 1) await turn();
        priorities.length = 0;
        await control(store, file, { weight: 4 });
        if (finder === "a chunk") {
          open();
          // the second chunk has the slots, and the third was read
          await until(() => new Set(pool.log.map(({ row }) => row)).size === 32);
          for (let turns = 0; turns < 50; turns += 1) await turn();
          expect(priorities).toEqual([]);
        }
        jest.advanceTimersByTime(30_000);
        await until(() => priorities.length > 0);
        // all that waited at 1, 2, 3 in turn stands together now
        expect(new Set(priorities.flat()).size).toBe(1);
        worker.abort.abort();
        open();
        const end = await worker.ended;
        expect(end === "drained" || (typeof end === "object" && isAssayError(end.error, "E_ABORTED"))).toBe(true);
      } finally {
        jest.useRealTimers();
      }
    },
  );
});
