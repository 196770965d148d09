import {
  AssayError,
  type BatchFile,
  type ControlState,
  checkpointKey,
  chunksInOrder,
  isAssayError,
  sha256,
  shardKey,
  shardPrefix,
  startKey,
} from "@assay/core";
import type { Job, JobQueue } from "@assay/queue";
import { inProcessQueue } from "@assay/queue/in-process";
import { memoryStore } from "@assay/testkit";
import { beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { appendControl } from "../src/control-log.ts";
import { priorityOf, reconcileBatch, reweighBatch, windowChunks, withdrawBatch } from "../src/reconcile-batch.ts";
import { never, plan, records } from "./build-batch.ts";

const author = { id: "p", at: "2026-01-01T00:00:00.000Z", by: "test" };
let store: ReturnType<typeof memoryStore>;
beforeEach(() => {
  store = memoryStore();
});

/** A plan of so many chunks; their rows are not looked at here. */
async function planOf(
  chunks: number,
  name = "many-0000000000000000",
  order: BatchFile["order"] = "mixed",
): Promise<BatchFile> {
  const { file } = await plan(records(1), { order });
  return {
    ...file,
    batch: name,
    chunks: Array.from({ length: chunks }, (_, chunk) => ({ sha256: sha256(""), rows: 1, row_start: chunk })),
  };
}

const commit = (file: BatchFile, ...chunks: number[]): void => {
  for (const chunk of chunks) store.objects.set(shardKey(file.batch, chunk), new Uint8Array());
};

/** A queue that notes what is added. */
function noting(inner: JobQueue): JobQueue & { added: (Job & { priority: number })[]; removed: Job[] } {
  const added: (Job & { priority: number })[] = [];
  const removed: Job[] = [];
  return {
    ...inner,
    added,
    removed,
    add: async (jobs) => {
      added.push(...jobs);
      await inner.add(jobs);
    },
    remove: async (jobs) => {
      removed.push(...jobs);
      await inner.remove(jobs);
    },
  };
}

describe("reconcile-batch", () => {
  test("property: adds exactly the chunks without shard that are in no list, and a second run adds nothing", async () => {
    const sets = fc.tuple(
      fc.integer({ min: 1, max: 60 }),
      fc.uniqueArray(fc.nat(59)),
      fc.uniqueArray(fc.nat(59)),
      fc.nat(5),
    );
    await fc.assert(
      fc.asyncProperty(sets, async ([chunks, done, known, taken]) => {
        store = memoryStore();
        const file = await planOf(chunks);
        commit(file, ...done);
        const inner = inProcessQueue("q");
        await inner.add(
          known.filter((chunk) => chunk < chunks).map((chunk) => ({ batch: file.batch, chunk, priority: 1 })),
        );
        for (let i = 0; i < Math.min(taken, known.filter((chunk) => chunk < chunks).length); i += 1)
          await inner.take(never);
        const queue = noting(inner);
        const missing = [...Array(chunks).keys()].filter((chunk) => !done.includes(chunk));
        expect(await reconcileBatch(store, queue, file)).toBe(missing.length);
        expect(queue.added.map(({ chunk }) => chunk)).toEqual(missing.filter((chunk) => !known.includes(chunk)));
        queue.added.length = 0;
        expect(await reconcileBatch(store, queue, file)).toBe(missing.length);
        expect(queue.added).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test.each(["paused", "cancelled", "complete"] satisfies ControlState[])(
    "%s: nothing is added, what is missing is counted",
    async (state) => {
      const file = await planOf(5);
      commit(file, 1);
      await appendControl(store, file.batch, { state }, author);
      const queue = noting(inProcessQueue("q"));
      expect(await reconcileBatch(store, queue, file)).toBe(4);
      expect(queue.added).toEqual([]);
    },
  );

  test("nothing missing: 0, ready to be finalized, and no question to the queue", async () => {
    const file = await planOf(3);
    commit(file, 0, 1, 2);
    expect(await reconcileBatch(store, noting(inProcessQueue("q")), file)).toBe(0);
  });

  test("no more than a window stands in the queue, and the next round goes on behind it", async () => {
    const file = await planOf(windowChunks + 300, "many-0000000000000000", "file");
    const queue = noting(inProcessQueue("q"));
    expect(await reconcileBatch(store, queue, file)).toBe(windowChunks + 300);
    expect(queue.added).toHaveLength(windowChunks);
    commit(file, ...Array.from({ length: 100 }, (_, chunk) => chunk));
    await reconcileBatch(store, queue, file);
    expect(queue.added.slice(windowChunks).map(({ chunk }) => chunk)).toEqual(
      Array.from({ length: 100 }, (_, k) => windowChunks + k),
    );
  });

  test("more than 100 chunks run mixed, in one order for every worker and every round; in file order where wished", async () => {
    for (const [order, chunks] of [
      ["mixed", 400],
      ["file", 400],
      ["mixed", 100],
    ] as const) {
      store = memoryStore();
      const file = await planOf(chunks, "many-0000000000000000", order);
      const ascending = [...Array(chunks).keys()];
      const expected = [...chunksInOrder(file)];
      if (order === "mixed" && chunks > 100) expect(expected).not.toEqual(ascending);
      else expect(expected).toEqual(ascending);

      const queue = noting(inProcessQueue("q"));
      await reconcileBatch(store, queue, file);
      expect(queue.added.map(({ chunk }) => chunk)).toEqual(expected);
      // taken in that order, not only added
      const taken: number[] = [];
      for (let i = 0; i < 30; i += 1) taken.push((await queue.take(never))?.job.chunk ?? -1);
      expect(taken).toEqual(expected.slice(0, 30));

      // Redis is wiped and another worker looks: the rest, in the same order
      commit(file, ...taken);
      const wiped = noting(inProcessQueue("q"));
      expect(await reconcileBatch(store, wiped, structuredClone(file))).toBe(chunks - 30);
      expect(wiped.added.map(({ chunk }) => chunk)).toEqual(expected.slice(30));
    }
  });

  test("a job in limbo, whose id blocks its own adding, is removed first", async () => {
    const file = await planOf(2);
    const limbo = new Set([0]);
    const inner = inProcessQueue("q");
    // as Redis has it after an eviction: in no list, and add of the id stays without effect
    const queue: JobQueue = {
      ...inner,
      add: (jobs) => inner.add(jobs.filter(({ chunk }) => !limbo.has(chunk))),
      remove: async (jobs) => {
        for (const { chunk } of jobs) limbo.delete(chunk);
        await inner.remove(jobs);
      },
    };
    await reconcileBatch(store, queue, file);
    expect(await inner.missing([0, 1].map((chunk) => ({ batch: file.batch, chunk })))).toEqual([]);
  });

  test("several at once: every job once in the queue", async () => {
    const file = await planOf(30);
    const queue = inProcessQueue("q");
    await Promise.all([1, 2, 3].map(() => reconcileBatch(store, queue, file)));
    const taken: number[] = [];
    for (let i = 0; i < 30; i += 1) taken.push((await queue.take(never))?.job.chunk ?? -1);
    expect(new Set(taken).size).toBe(30);
    expect(await queue.virtualTime()).toBe(0);
  });

  test("weights share the queue: of 1:1:2 every fourth, every fourth, every second", async () => {
    const queue = inProcessQueue("q");
    for (const [name, weight] of [
      ["a", 1],
      ["b", 1],
      ["c", 2],
    ] as const) {
      const file = await planOf(100, `${name}-0000000000000000`);
      if (weight > 1) await appendControl(store, file.batch, { weight }, author);
      await reconcileBatch(store, queue, file);
    }
    const taken = new Map<string, number>();
    for (let i = 0; i < 80; i += 1) {
      const name = (await queue.take(never))?.job.batch.slice(0, 1) ?? "";
      taken.set(name, (taken.get(name) ?? 0) + 1);
    }
    // who came first is one job ahead
    for (const [name, share] of [
      ["a", 20],
      ["b", 20],
      ["c", 40],
    ] as const)
      expect(Math.abs((taken.get(name) ?? 0) - share)).toBeLessThanOrEqual(1);
  });

  test("a batch that comes later starts at the present time, not before everybody", async () => {
    const queue = noting(inProcessQueue("q"));
    await reconcileBatch(store, queue, await planOf(50, "early-0000000000000000"));
    for (let i = 0; i < 20; i += 1) await (await queue.take(never))?.done();
    const now = await queue.virtualTime();
    queue.added.length = 0;
    await reconcileBatch(store, queue, await planOf(3, "late-0000000000000000"));
    expect(queue.added.map(({ priority }) => priority)).toEqual([now + 1, now + 2, now + 3]);
  });

  test("priorities stay within BullMQ's scale", () => {
    fc.assert(
      fc.property(fc.nat(3_000_000), fc.nat(windowChunks), fc.integer({ min: 1, max: 1_000 }), (time, k, weight) => {
        const priority = priorityOf(time, k, weight);
        expect(Number.isInteger(priority) && priority >= 1 && priority <= 2 ** 21 - 1).toBe(true);
        expect(priorityOf(time, k + 1, weight)).toBeGreaterThanOrEqual(priority);
      }),
    );
  });

  test("a Redis that is away is E_REDIS_UNAVAILABLE, for submit to say so", async () => {
    const away = {
      ...inProcessQueue("q"),
      missing: () => Promise.reject(new AssayError("E_REDIS_UNAVAILABLE", "played")),
    };
    const error = await reconcileBatch(store, away, await planOf(1)).catch((thrown: unknown) => thrown);
    expect(isAssayError(error, "E_REDIS_UNAVAILABLE")).toBe(true);
  });

  test("withdrawing takes the waiting jobs of this batch alone, and nudges", async () => {
    const [file, other] = [await planOf(10, "a-0000000000000000"), await planOf(10, "b-0000000000000000")];
    const queue = noting(inProcessQueue("q"));
    for (const each of [file, other]) await reconcileBatch(store, queue, each);
    const nudged: string[] = [];
    queue.onNudge((batch) => nudged.push(batch));
    await withdrawBatch(store, queue, file);
    expect(nudged).toEqual([file.batch]);
    const jobs = (batch: string): Job[] => Array.from({ length: 10 }, (_, chunk) => ({ batch, chunk }));
    expect(await queue.missing(jobs(file.batch))).toHaveLength(10);
    expect(await queue.missing(jobs(other.batch))).toEqual([]);
  });
});

describe("reconcile-batch: a control log that changes while somebody reconciles", () => {
  /** A reconcile that has read the control log; `goOn` lets it look at the shards and act by what it has read. */
  async function slowReconcile(queue: JobQueue, file: BatchFile): Promise<{ goOn: () => Promise<number> }> {
    let open: () => void = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    let reached: () => void = () => {};
    const atShards = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const slow: typeof store = {
      ...store,
      async *list(prefix, options) {
        if (prefix === shardPrefix(file.batch)) {
          reached();
          await opened;
        }
        yield* store.list(prefix, options);
      },
    };
    const ended = reconcileBatch(slow, queue, file);
    await atShards;
    return {
      goOn: () => {
        open();
        return ended;
      },
    };
  }

  test("a new weight: its jobs stand where that wants them, though the old one added them", async () => {
    const file = await planOf(40);
    const priorities = new Map<number, number>();
    const inner = inProcessQueue("q");
    const queue: JobQueue = {
      ...inner,
      async add(jobs) {
        const absent = await inner.missing(jobs);
        for (const { chunk, priority } of jobs)
          if (absent.some((job) => job.chunk === chunk)) priorities.set(chunk, priority);
        await inner.add(jobs);
      },
    };
    await reconcileBatch(store, queue, file);
    const other = await slowReconcile(queue, file);
    const { control } = await appendControl(store, file.batch, { weight: 4 }, author);
    // it comes between the removal and the adding
    const interrupted: JobQueue = {
      ...queue,
      async remove(jobs) {
        await queue.remove(jobs);
        await other.goOn();
      },
    };
    await reweighBatch(store, interrupted, file, control.n);
    expect(new Set(priorities.values()).size).toBe(10);
    expect(priorities.size).toBe(40);
    expect(await inner.missing(file.chunks.map((_, chunk) => ({ batch: file.batch, chunk })))).toEqual([]);
  });

  test.each(["paused", "cancelled"] satisfies ControlState[])("%s: its jobs are taken out again", async (state) => {
    const file = await planOf(5);
    const queue = inProcessQueue("q");
    const other = await slowReconcile(queue, file);
    await appendControl(store, file.batch, { state }, author);
    await withdrawBatch(store, queue, file);
    expect(await other.goOn()).toBe(5);
    expect(await queue.missing(file.chunks.map((_, chunk) => ({ batch: file.batch, chunk })))).toHaveLength(5);
  });
});

describe("reconcile-batch: chunks that somebody has begun", () => {
  test("after a wipe they stand behind the fresh ones; partial/ is not listed while the queue knows the head", async () => {
    const file = await planOf(6, "six-0000000000000000", "file");
    for (const chunk of [0, 1, 3]) store.objects.set(startKey(file.batch, chunk, "00112233445566ff"), new Uint8Array());
    store.objects.set(checkpointKey(file.batch, 2, "00112233445566ff", 0), new Uint8Array());
    let lists = 0;
    const counting: typeof store = {
      ...store,
      list: (prefix, options) => {
        lists += prefix.endsWith("/partial/") ? 1 : 0;
        return store.list(prefix, options);
      },
    };
    const queue = noting(inProcessQueue("assay.test"));
    await reconcileBatch(counting, queue, file);
    const inTurn = [...queue.added].sort((a, b) => a.priority - b.priority).map(({ chunk }) => chunk);
    expect(inTurn).toEqual([2, 4, 5, 0, 1, 3]);
    expect(lists).toBe(1);
    await queue.remove([{ batch: file.batch, chunk: 4 }]);
    await reconcileBatch(counting, queue, file);
    expect(queue.added.at(-1)).toMatchObject({ chunk: 4 });
    expect(lists).toBe(1);
  });
});
