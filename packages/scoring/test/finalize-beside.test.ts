import { doneKey, shardPrefix, successKey } from "@assay/core";
import { memoryStore } from "@assay/testkit";
import { beforeEach, describe, expect, test } from "@jest/globals";
import { records, submit } from "./build-batch.ts";
import { turns, until } from "./immediate-clock.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";
import { testWorkers, verify } from "./worker-world.ts";

/** Finalizing reads every shard of a batch, of a large one for minutes: no slot stands empty for it. */

testWorkers();

let store: ReturnType<typeof memoryStore>;
let queue: ReturnType<typeof wipeableQueue>;
beforeEach(() => {
  store = memoryStore();
  queue = wipeableQueue();
});

/** A batch whose every shard is there and whose end is not, and a store whose reads of these shards end with `open`. */
async function unfinished(n: number) {
  const file = await submit(store, records(n));
  await startWorker({ store, queue }).ended;
  store.objects.delete(successKey(file.batch));
  store.objects.delete(doneKey(file.batch));
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  let reads = 0;
  const slow: typeof store = {
    ...store,
    async get(key, options) {
      if (key.startsWith(shardPrefix(file.batch))) {
        reads += 1;
        await opened;
      }
      return store.get(key, options);
    },
  };
  return { file, slow, open, reads: () => reads };
}

describe("run-worker: a batch is finalized beside the intake", () => {
  test("a worker that begins scores another batch's rows meanwhile", async () => {
    const large = await unfinished(20);
    const next = await submit(store, records(30, 500));
    const worker = startWorker({ store: large.slow, queue });
    await until(() => store.objects.has(successKey(next.batch)) || worker.pool.log.length === 60);
    expect(store.objects.has(successKey(large.file.batch))).toBe(false);
    expect(large.reads()).toBeGreaterThan(0);
    large.open();
    expect(await worker.ended).toBe("idle");
    for (const { batch } of [large.file, next]) expect(store.objects.has(successKey(batch))).toBe(true);
    expect(await verify(store, next)).toMatchObject({ complete: true, broken: null, doneRows: 30 });
  });

  test("so does one that had nothing to do, of a batch that comes only then", async () => {
    const large = await unfinished(20);
    const worker = startWorker({ store: large.slow, queue }, { untilIdle: false });
    await until(() => large.reads() > 0);
    const next = await submit(store, records(30, 500));
    await until(() => worker.pool.log.length === 60);
    large.open();
    await until(() => [large.file, next].every(({ batch }) => store.objects.has(successKey(batch))));
    worker.drain.abort();
    expect(await worker.ended).toBe("drained");
    // both looks at the same batch were one
    expect(large.reads()).toBe(large.file.chunks.length);
  });

  test("a drain waits for it, and a deadline does not", async () => {
    const large = await unfinished(20);
    const patient = startWorker({ store: large.slow, queue }, { untilIdle: false });
    await until(() => large.reads() > 0);
    patient.drain.abort();
    expect(await Promise.race([patient.ended, turns(200)])).toBeUndefined();
    patient.abort.abort();
    expect(await patient.ended).toBe("drained");
    expect(store.objects.has(successKey(large.file.batch))).toBe(false);
    large.open();
  });
});
