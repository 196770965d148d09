import { AssayError, type BatchFile, batchKey, controlKey, doneKey, pinKey, successKey } from "@assay/core";
import { memoryStore } from "@assay/testkit";
import { beforeEach, describe, expect, test } from "@jest/globals";
import type { ProbeEngines } from "../src/batch-context.ts";
import { listOpenBatches } from "../src/batch-index.ts";
import { reconcileBatch } from "../src/reconcile-batch.ts";
import { probing, profile, records, submit } from "./build-batch.ts";
import { faultyStore } from "./faulty-store.ts";
import { immediateClock, turns, until } from "./immediate-clock.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";
import { code, saying, shards, testWorkers, verify } from "./worker-world.ts";

testWorkers();

let store: ReturnType<typeof memoryStore>;
let queue: ReturnType<typeof wipeableQueue>;
beforeEach(() => {
  store = memoryStore();
  queue = wipeableQueue();
});

describe("run-worker: until the store says that nothing is left", () => {
  test("a batch that nobody queued is found, scored, finalized, and every row stands once", async () => {
    const file = await submit(store, records(50));
    const worker = startWorker({ store, queue });
    expect(await worker.ended).toBe("idle");
    expect(await verify(store, file)).toMatchObject({ complete: true, broken: null, doneRows: 50, status: { ok: 50 } });
    expect(worker.events.filter(({ type }) => type === "finished")).toHaveLength(1);
    expect(worker.pool.log).toHaveLength(100);
  });

  test("a queue that loses what is added does not send it home", async () => {
    const file = await submit(store, records(20));
    let lost = 5;
    const forgetful = {
      ...queue,
      add: async (jobs: Parameters<typeof queue.add>[0]) => (lost-- > 0 ? undefined : queue.add(jobs)),
    };
    expect(await startWorker({ store, queue: forgetful }).ended).toBe("idle");
    expect(await verify(store, file)).toMatchObject({ complete: true, broken: null });
  });

  test("complete without _SUCCESS is carried on: a finalizer was killed between the two", async () => {
    const file = await submit(store, records(20));
    const never = startWorker({
      store: faultyStore(
        store,
        ({ key, kind }) => (kind === "put" && key === successKey(file.batch) ? "before" : null),
        () => new AssayError("E_STORE_UNAVAILABLE", "played"),
      ),
      queue,
    });
    await until(() => store.objects.has(controlKey(file.batch, 1)));
    never.abort.abort();
    await never.ended;
    expect(store.objects.has(successKey(file.batch))).toBe(false);
    expect(await startWorker({ store, queue }).ended).toBe("idle");
    expect(await verify(store, file)).toMatchObject({ complete: true, broken: null });
  });

  test("_SUCCESS without its entry in the index is carried on, too: it is among the open batches no more", async () => {
    const file = await submit(store, records(20));
    expect(await startWorker({ store, queue }).ended).toBe("idle");
    store.objects.delete(doneKey(file.batch));
    expect(await listOpenBatches(store)).toEqual([file.batch]);
    expect(await startWorker({ store, queue }).ended).toBe("idle");
    expect(await listOpenBatches(store)).toEqual([]);
  });

  test("only one batch: jobs of others that keep coming do not keep it from going home", async () => {
    const other = await submit(store, records(16, 500));
    const file = await submit(store, records(16));
    await reconcileBatch(store, queue, other);
    const worker = startWorker({ store, queue }, { only: file.batch });
    expect(await worker.ended).toBe("idle");
    expect(await verify(store, file)).toMatchObject({ complete: true });
    // the other one's job is still there for its own workers
    expect(await queue.missing([{ batch: other.batch, chunk: 0 }])).toEqual([]);
    expect(shards(store, other)).toBe(0);
  });

  test("jobs of others that are put back for hours stretch the scale of priorities no further", async () => {
    const other = await submit(store, records(40, 500));
    const file = await submit(store, records(2));
    await reconcileBatch(store, queue, other);
    const last = await queue.lastPriority();
    let putBack = 0;
    const noting = {
      ...queue,
      async add(jobs: Parameters<typeof queue.add>[0]) {
        putBack += jobs.filter(({ batch }) => batch === other.batch).length;
        await queue.add(jobs);
      },
    };
    const worker = startWorker({ store, queue: noting }, { only: file.batch, untilIdle: false });
    await until(() => putBack >= 40 * other.chunks.length);
    worker.drain.abort();
    await worker.ended;
    expect(await queue.lastPriority()).toBe(last);
    expect(await queue.missing(other.chunks.map((_, chunk) => ({ batch: other.batch, chunk })))).toEqual([]);
  });

  test("a job of an unknown batch, of no chunk of the plan, or of another model ends quietly and pins nothing", async () => {
    const file = await submit(store, records(3));
    const foreign = await submit(store, records(3), { batch: { model: "another" } });
    await queue.add([
      { batch: "gone-0000000000000000", chunk: 0, priority: 1 },
      { batch: file.batch, chunk: 77, priority: 2 },
      { batch: file.batch, chunk: -1, priority: 2 },
      { batch: foreign.batch, chunk: 0, priority: 3 },
    ]);
    const worker = startWorker({ store, queue });
    expect(await worker.ended).toBe("idle");
    expect(worker.events.filter(({ type }) => type === "refused" || type === "paused")).toEqual([]);
    expect(store.objects.has(pinKey(foreign.batch))).toBe(false);
    expect(await verify(store, file)).toMatchObject({ complete: true, broken: null });
  });

  test("a refusal that is over does not end it, when the rest of that batch is in another's hands", async () => {
    const first = await submit(store, records(40));
    const warmer = { ...profile, sampling: { ...profile.sampling, temperature: 0.7 } };
    const second = await submit(store, records(32, 1_000), { batch: { profile: warmer } });
    const other = startWorker(
      { store, queue: queue.view(), pool: saying(() => "hang") },
      { only: second.batch, untilIdle: false },
    );
    await until(() => other.pool.inFlight() === 8);
    const clock = immediateClock("f");
    let skippedMs = 0;
    let refusals = 0;
    const refusing: ProbeEngines = async (asked, revision) => {
      if (asked.sampling.temperature === 0.7 && refusals++ === 0)
        throw new AssayError("E_ENGINE_REFUSED", "the engine failed the probe: played");
      return probing()(asked, revision);
    };
    const worker = startWorker(
      { store, queue, probe: refusing, clock: { ...clock, now: () => clock.now() + skippedMs } },
      {
        onEvent: ({ type }) => {
          if (type === "chunk") skippedMs = 120_000;
        },
      },
    );
    const chunksOf = ({ batch }: BatchFile): number =>
      worker.events.filter((event) => event.type === "chunk" && event.batch === batch).length;
    await until(() => chunksOf(first) === first.chunks.length && chunksOf(second) === 1);
    expect(refusals).toBeGreaterThan(1);
    // nothing is left that it could take
    await Promise.race([worker.ended, turns(300)]);
    other.abort.abort();
    await other.ended;
    expect(await worker.ended).toBe("idle");
    expect(await verify(store, second)).toMatchObject({ complete: true, broken: null });
  });

  test("one batch that is broken or of another generation does not keep the others from being served", async () => {
    const [broken, newer, muddled, file] = [
      await submit(store, records(3, 10)),
      await submit(store, records(3, 20)),
      await submit(store, records(3, 30)),
      await submit(store, records(3)),
    ];
    store.objects.set(batchKey(broken.batch), Buffer.from("{"));
    store.objects.set(batchKey(newer.batch), Buffer.from(JSON.stringify({ ...newer, format: 2 })));
    store.objects.set(controlKey(muddled.batch, 1), Buffer.from("{}"));
    const worker = startWorker({ store, queue });
    const end = await worker.ended;
    expect(await verify(store, file)).toMatchObject({ complete: true, broken: null });
    // what it could have served and cannot is why it ends in an error
    expect(code(end)).toBe("E_BROKEN");
    const refused = new Set(worker.events.flatMap((event) => (event.type === "refused" ? [event.batch] : [])));
    expect(refused).toEqual(new Set([broken.batch, newer.batch, muddled.batch]));
  });
});
