import { setMaxListeners } from "node:events";
import { chunkPartialPrefix, rowsKey, shardKey } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { type ManualClock, manualClock, memoryStore } from "@assay/testkit";
import { describe, expect, jest, test } from "@jest/globals";
import { records, submit } from "./build-batch.ts";
import { scriptedPool } from "./scripted-pool.ts";
import { startWorker, type TestWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";
import { shards, verify } from "./worker-world.ts";

jest.setTimeout(60_000);

/** A store whose every call takes what `waits` says, before it takes place. */
function slowStore(inner: ObjectStore, waits: (call: string, key: string) => Promise<void>): ObjectStore {
  return {
    uri: inner.uri,
    get: (key, options) => waits("get", key).then(() => inner.get(key, options)),
    putIfAbsent: (key, bytes, options) => waits("put", key).then(() => inner.putIfAbsent(key, bytes, options)),
    head: (key, options) => waits("head", key).then(() => inner.head(key, options)),
    read: (key, options) => waits("read", key).then(() => inner.read(key, options)),
    ranges: (key, options) => waits("ranges", key).then(() => inner.ranges(key, options)),
    remove: (key, options) => waits("remove", key).then(() => inner.remove(key, options)),
    async *list(prefix, options) {
      await waits("list", prefix);
      yield* inner.list(prefix, options);
    },
  };
}

const forever = new AbortController().signal;
setMaxListeners(0, forever);

/** Moves on by 50 ms at a time until `happened`. */
async function passTime(clock: ManualClock, happened: () => boolean): Promise<void> {
  for (let steps = 0; !happened(); steps += 1) {
    if (steps > 20_000) throw new Error("it has not happened within 1,000 s");
    await clock.advance(50);
  }
}

function whenOver({ ended }: TestWorker): () => boolean {
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  return () => isOver;
}

describe("a store that is far away", () => {
  /** Share of the slots' time that rows were in flight, from the first that is sent to the last that is. */
  async function used(options: { distanceMs: number; rows: number; slots: number; rowMs: number }): Promise<number> {
    const { distanceMs, rows, slots, rowMs } = options;
    const clock = manualClock();
    const store = memoryStore();
    const file = await submit(store, records(rows));
    const sentAt: number[] = [];
    const pool = scriptedPool({
      slots,
      // a row is two requests
      before: ({ kind }) => {
        if (kind === "chat") sentAt.push(clock.now());
        return clock.sleep(kind === "chat" ? rowMs - 50 : 50, forever);
      },
    });
    const far = slowStore(store, () => clock.sleep(distanceMs, forever));
    const worker = startWorker({ store: far, queue: wipeableQueue(), pool, clock });
    await passTime(clock, whenOver(worker));
    expect(await verify(store, file)).toMatchObject({ complete: true, broken: null, doneRows: rows });
    const seconds = (sentAt.at(-1) ?? 0) - (sentAt[0] ?? 0) + rowMs;
    return (rows * rowMs) / slots / seconds;
  }

  test("leaves no slot idle while rows wait: 100 ms, chunks of 16 rows of a second, 64 slots", async () => {
    const near = await used({ distanceMs: 0, rows: 1_024, slots: 64, rowMs: 1_000 });
    const far = await used({ distanceMs: 100, rows: 1_024, slots: 64, rowMs: 1_000 });
    expect(near).toBeGreaterThan(0.99);
    expect(far).toBeGreaterThan(0.95);
  });
});

describe("a call to the store that hangs", () => {
  const calls: [string, (call: string, key: string, batch: string) => boolean][] = [
    ["the look at the shard", (call, key, batch) => call === "head" && key === shardKey(batch, 0)],
    ["the rows", (call, key, batch) => call === "get" && key === rowsKey(batch, 0)],
    ["the look into partial/", (call, key, batch) => call === "list" && key === chunkPartialPrefix(batch, 0)],
    [".start", (call, key, batch) => call === "put" && key.startsWith(chunkPartialPrefix(batch, 0))],
    ["the commit", (call, key, batch) => call === "put" && key === shardKey(batch, 0)],
  ];

  test.each(calls)("%s of one chunk: rows of all others get the slots", async (_name, isHeld) => {
    const clock = manualClock();
    const store = memoryStore();
    // fewer slots than a chunk has rows
    const pool = scriptedPool({ slots: 8, before: () => clock.sleep(500, forever) });
    const file = await submit(store, records(160));
    let letGo = (): void => {};
    const hangs = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const slow = slowStore(store, async (call, key) => {
      if (isHeld(call, key, file.batch)) await hangs;
    });
    const worker = startWorker({ store: slow, queue: wipeableQueue(), pool, clock });
    await passTime(clock, () => shards(store, file) === file.chunks.length - 1);
    expect(store.objects.has(shardKey(file.batch, 0))).toBe(false);
    letGo();
    await passTime(clock, whenOver(worker));
    expect(await verify(store, file)).toMatchObject({ complete: true, broken: null, doneRows: 160 });
  });
});
