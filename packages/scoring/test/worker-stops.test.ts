import { AssayError, shardKey } from "@assay/core";
import { manualClock, memoryStore } from "@assay/testkit";
import { beforeEach, describe, expect, test } from "@jest/globals";
import { records, submit } from "./build-batch.ts";
import { faultyStore } from "./faulty-store.ts";
import { turns, until } from "./immediate-clock.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";
import { code, row, saying, shards, testWorkers, verify } from "./worker-world.ts";

const { unhandled } = testWorkers();

let store: ReturnType<typeof memoryStore>;
let queue: ReturnType<typeof wipeableQueue>;
beforeEach(() => {
  store = memoryStore();
  queue = wipeableQueue();
});

describe("run-worker: stopping", () => {
  test("drain: rows in flight end, nothing else is sent, and another worker carries on where it stopped", async () => {
    const file = await submit(store, records(80));
    const worker = startWorker({ store, queue });
    await until(() => worker.pool.inFlight() === 4);
    worker.drain.abort();
    const sent = worker.pool.log.filter(({ kind }) => kind === "chat").map((ask) => ask.row);
    expect(await worker.ended).toBe("drained");
    expect(worker.pool.inFlight()).toBe(0);
    expect(worker.pool.log.filter(({ kind }) => kind === "chat").map((ask) => ask.row)).toEqual(sent);
    const jobs = file.chunks.map((_, chunk) => ({ batch: file.batch, chunk }));
    expect(await queue.missing(jobs)).toEqual([]);
    const next = startWorker({ store, queue });
    expect(await next.ended).toBe("idle");
    expect(next.pool.log.map((ask) => ask.row)).not.toEqual(expect.arrayContaining(sent.slice(0, 1)));
    expect(await verify(store, file)).toMatchObject({ complete: true, broken: null });
  });

  test("the deadline of a drain: rows that take longer are stopped, the others are never paid again", async () => {
    const file = await submit(store, records(16));
    const clock = manualClock();
    const pool = saying((ask) => (row(ask) % 2 === 0 ? "hang" : "verdict"), { slots: 16 });
    const worker = startWorker({ store, queue, pool, clock }, { drainMs: 20_000 });
    await until(() => pool.inFlight() === 8);
    worker.drain.abort();
    await clock.untilSleeping(1);
    await clock.advance(19_999);
    expect(pool.inFlight()).toBe(8);
    await clock.advance(1);
    expect(await worker.ended).toBe("drained");
    expect(pool.inFlight()).toBe(0);
    // before all others, and without a wait for its lease
    expect((await queue.take(new AbortController().signal))?.job).toEqual({ batch: file.batch, chunk: 0 });
    queue.wipe();
    const next = startWorker({ store, queue });
    expect(await next.ended).toBe("idle");
    const again = next.pool.log.filter(({ kind }) => kind === "chat").map(row);
    expect(again).toEqual([0, 2, 4, 6, 8, 10, 12, 14]);
    expect(await verify(store, file)).toMatchObject({ complete: true, broken: null, status: { ok: 16 } });
  });

  test("a drain with nothing in flight ends without waiting for its deadline", async () => {
    const clock = manualClock();
    const worker = startWorker({ store, queue, clock }, { untilIdle: false, drainMs: 20_000 });
    await turns(20);
    worker.drain.abort();
    expect(await worker.ended).toBe("drained");
    expect(clock.sleepers()).toBe(0);
  });

  test("abort: nothing is committed after it, every job is given back, every request is over", async () => {
    const file = await submit(store, records(40));
    const worker = startWorker({ store, queue, pool: saying(() => "hang") });
    await until(() => worker.pool.log.length > 0);
    worker.abort.abort();
    expect(await worker.ended).toBe("drained");
    expect(shards(store, file)).toBe(0);
    expect(worker.pool.inFlight()).toBe(0);
    const jobs = file.chunks.map((_, chunk) => ({ batch: file.batch, chunk }));
    expect(await queue.missing(jobs)).toEqual([]);
    expect((await queue.take(new AbortController().signal))?.job).toMatchObject({ batch: file.batch });
  });

  test("a lease that lapses: where nobody else has committed it goes on, and the chunk has one shard in the end", async () => {
    const file = await submit(store, records(16));
    // no time passes for it: a chunk that was late would make it take the job again itself
    const first = startWorker({ store, queue: queue.view(), pool: saying(() => "hang"), clock: manualClock() });
    await until(() => first.pool.log.length === 8);
    queue.lapse();
    await turns(5);
    expect(first.pool.inFlight()).toBe(8);
    const second = startWorker({ store, queue: queue.view() });
    await until(() => store.objects.has(shardKey(file.batch, 0)));
    expect(first.pool.inFlight()).toBe(8);
    expect(await second.ended).toBe("idle");
    // the batch is complete: whoever looks stops
    await queue.nudge(file.batch);
    expect(await first.ended).toBe("idle");
    expect(shards(store, file)).toBe(1);
  });

  test("a chunk that others have committed meanwhile is stopped by the next reconcile, when the batch is complete", async () => {
    const file = await submit(store, records(16));
    const worker = startWorker({ store, queue, pool: saying(() => "hang", { slots: 32 }) });
    await until(() => worker.pool.inFlight() === 16);
    expect(await startWorker({ store, queue: wipeableQueue() }).ended).toBe("idle");
    expect(await worker.ended).toBe("idle");
    expect(worker.pool.inFlight()).toBe(0);
    expect(shards(store, file)).toBe(1);
  });

  test("refused a renewal with the shard there: the chunk stops by itself", async () => {
    const file = await submit(store, records(16));
    const worker = startWorker({ store, queue, pool: saying(() => "hang") });
    await until(() => worker.pool.log.length === 8);
    // another worker's shard, in a batch that is not complete and whose control log says nothing
    const elsewhere = memoryStore();
    for (const [key, bytes] of store.objects) elsewhere.objects.set(key, bytes);
    expect(await startWorker({ store: elsewhere, queue: wipeableQueue() }).ended).toBe("idle");
    store.objects.set(shardKey(file.batch, 0), elsewhere.objects.get(shardKey(file.batch, 0))!);
    queue.lapse();
    expect(await worker.ended).toBe("idle");
    expect(worker.pool.inFlight()).toBe(0);
    expect(await verify(store, file)).toMatchObject({ complete: true, broken: null });
  });

  test("a store that denies: the worker ends with E_DENIED, its job given back, and nothing is left unhandled", async () => {
    const file = await submit(store, records(40));
    let denies = false;
    const denying = faultyStore(
      store,
      () => (denies ? "before" : null),
      () => new AssayError("E_DENIED", "played"),
    );
    const pool = saying(() => {
      denies = true;
      return "verdict";
    });
    const worker = startWorker({ store: denying, queue, pool }, { untilIdle: false });
    expect(code(await worker.ended)).toBe("E_DENIED");
    await turns(3);
    expect(unhandled).toEqual([]);
    expect(await queue.missing(file.chunks.map((_, chunk) => ({ batch: file.batch, chunk })))).toEqual([]);
    expect(pool.inFlight()).toBe(0);
  });

  test("aborted while it waits for the store to take its pause: ends, and nothing is left unhandled", async () => {
    await submit(store, records(16));
    const away = faultyStore(
      store,
      ({ key, kind }) => (kind === "put" && key.includes("/control/") ? "before" : null),
      () => new AssayError("E_STORE_UNAVAILABLE", "played"),
    );
    const worker = startWorker({ store: away, queue, pool: saying(() => "wrong_model") });
    await until(() => worker.events.some(({ type }) => type === "away"));
    worker.abort.abort();
    expect(await worker.ended).toBe("drained");
    await turns(3);
    expect(unhandled).toEqual([]);
  });
});
