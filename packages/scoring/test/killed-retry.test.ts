import { batchKey, retryKey, rowsKey, successKey } from "@assay/core";
import { decodeShard } from "@assay/datasets";
import type { ObjectStore } from "@assay/store";
import { memoryStore } from "@assay/testkit";
import { beforeEach, describe, expect, jest, test } from "@jest/globals";
import { isIdle } from "../src/is-idle.ts";
import { loadBatch } from "../src/load-batch.ts";
import { stageRetry } from "../src/stage-retry.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { contents, model, records, submit } from "./build-batch.ts";
import { faultyStore, killed, killedAt } from "./faulty-store.ts";
import { refuseUnhandled } from "./refuse-unhandled.ts";
import { retriesIn, staging } from "./retry-family.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";

jest.setTimeout(120_000);
refuseUnhandled();

let store: ReturnType<typeof memoryStore>;
beforeEach(() => {
  store = memoryStore();
});
const { link, score } = retriesIn(() => store);

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

  test("that a worker was staging when it was drained is carried on by the next, and no store was away", async () => {
    const head = await submit(store, records(40));
    await score(() => "truncated");
    await link(head, ["truncated"]);
    const child = `${head.batch}-r1`;
    const draining = faultyStore(
      store,
      ({ key }) => {
        if (key === rowsKey(child, 0)) worker.drain.abort();
        return null;
      },
      () => killed,
    );
    const worker = startWorker({ store: draining, queue: wipeableQueue() });
    expect(await worker.ended).toBe("drained");
    expect(worker.events).toEqual([]);
    expect(store.objects.has(batchKey(child))).toBe(false);
    await score();
    expect(await verifyBatch({ store, decodeShard }, child)).toMatchObject({ complete: true, broken: null });
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
