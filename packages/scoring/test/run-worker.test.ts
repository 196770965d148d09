import {
  AssayError,
  type BatchFile,
  batchKey,
  controlKey,
  pinKey,
  shardKey,
  shardPrefix,
  successKey,
} from "@assay/core";
import { decodeShard } from "@assay/datasets";
import { manualClock, memoryStore } from "@assay/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import type { ProbeEngines } from "../src/batch-context.ts";
import { appendControl, readControl } from "../src/control-log.ts";
import { readShards } from "../src/finalize-batch.ts";
import { pinBatch } from "../src/pin-batch.ts";
import { readLedger } from "../src/read-ledger.ts";
import { reconcileBatch } from "../src/reconcile-batch.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { pin, probing, records, submit } from "./build-batch.ts";
import { faultyStore } from "./faulty-store.ts";
import { turn, until } from "./immediate-clock.ts";
import { type Ask, type Say, scriptedPool } from "./scripted-pool.ts";
import { startWorker, type TestWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";

/** Longer than usual: one loop, and everything that can happen to it. */

// turns of the event loop are slow where other tests have the cores; less than the 30 s after which a worker looks at
// its control log again by itself, which would hide a nudge that was not heard
jest.setTimeout(25_000);

/** Rejections that nobody handles end a real process. */
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): void => {
  unhandled.push(reason);
};
beforeAll(() => {
  process.on("unhandledRejection", onUnhandled);
});
afterAll(() => {
  process.off("unhandledRejection", onUnhandled);
});

let store: ReturnType<typeof memoryStore>;
let queue: ReturnType<typeof wipeableQueue>;
beforeEach(() => {
  store = memoryStore();
  queue = wipeableQueue();
});

let authors = 0;
const author = () => {
  authors += 1;
  return { id: `person-${authors}`, at: "2026-01-01T00:00:00.000Z", by: "test" };
};

async function resume(file: BatchFile, accept_failures = false): Promise<void> {
  await appendControl(store, file.batch, { state: "running", accept_failures }, author());
  await reconcileBatch(store, queue, file);
  await queue.nudge(file.batch);
}

const verify = (file: BatchFile) => verifyBatch({ store, decodeShard }, file.batch);
const shards = (file: BatchFile): number =>
  [...store.objects.keys()].filter((key) => key.startsWith(shardPrefix(file.batch))).length;
const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i += 1) await turn();
};
const code = (end: Awaited<TestWorker["ended"]>): unknown =>
  typeof end === "string" ? end : (end.error as AssayError).code;
const saying = (say: (ask: Ask) => Say, more: Parameters<typeof scriptedPool>[0] = {}) =>
  scriptedPool({ slots: 8, ...more, script: say });
const row = (ask: Ask): number => Number(/^r(\d+)/.exec(ask.row)?.[1]);

describe("run-worker: until the store says that nothing is left", () => {
  test("a batch that nobody queued is found, scored, finalized, and every row stands once", async () => {
    const file = await submit(store, records(50));
    const worker = startWorker({ store, queue });
    expect(await worker.ended).toBe("idle");
    expect(await verify(file)).toMatchObject({ complete: true, broken: null, doneRows: 50, status: { ok: 50 } });
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
    expect(await verify(file)).toMatchObject({ complete: true, broken: null });
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
    expect(await verify(file)).toMatchObject({ complete: true, broken: null });
  });

  test("only one batch: jobs of others that keep coming do not keep it from going home", async () => {
    const other = await submit(store, records(16, 500));
    const file = await submit(store, records(16));
    await reconcileBatch(store, queue, other);
    const worker = startWorker({ store, queue }, { only: file.batch });
    expect(await worker.ended).toBe("idle");
    expect(await verify(file)).toMatchObject({ complete: true });
    // the other one's job is still there for its own workers
    expect(await queue.missing([{ batch: other.batch, chunk: 0 }])).toEqual([]);
    expect(shards(other)).toBe(0);
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
    expect(await verify(file)).toMatchObject({ complete: true, broken: null });
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
    expect(await verify(file)).toMatchObject({ complete: true, broken: null });
    // what it could have served and cannot is why it ends in an error
    expect(code(end)).toBe("E_BROKEN");
    const refused = new Set(worker.events.flatMap((event) => (event.type === "refused" ? [event.batch] : [])));
    expect(refused).toEqual(new Set([broken.batch, newer.batch, muddled.batch]));
  });
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
    expect(await verify(file)).toMatchObject({ complete: true, broken: null });
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
    expect(await verify(file)).toMatchObject({ complete: true, broken: null, status: { ok: 16 } });
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
    expect(shards(file)).toBe(0);
    expect(worker.pool.inFlight()).toBe(0);
    const jobs = file.chunks.map((_, chunk) => ({ batch: file.batch, chunk }));
    expect(await queue.missing(jobs)).toEqual([]);
    expect((await queue.take(new AbortController().signal))?.job).toMatchObject({ batch: file.batch });
  });

  test("a lease that lapses: where nobody else has committed it goes on, and the chunk has one shard in the end", async () => {
    const file = await submit(store, records(16));
    const first = startWorker({ store, queue: queue.view(), pool: saying(() => "hang") });
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
    expect(shards(file)).toBe(1);
  });

  test("a chunk that others have committed meanwhile is stopped by the next reconcile, when the batch is complete", async () => {
    const file = await submit(store, records(16));
    const worker = startWorker({ store, queue, pool: saying(() => "hang", { slots: 32 }) });
    await until(() => worker.pool.inFlight() === 16);
    expect(await startWorker({ store, queue: wipeableQueue() }).ended).toBe("idle");
    expect(await worker.ended).toBe("idle");
    expect(worker.pool.inFlight()).toBe(0);
    expect(shards(file)).toBe(1);
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
    expect(await verify(file)).toMatchObject({ complete: true, broken: null });
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

describe("run-worker: what rules a batch", () => {
  test("cancel stops the rows in flight and stays, whatever is wiped; resume revives", async () => {
    const file = await submit(store, records(60));
    const worker = startWorker(
      { store, queue, pool: saying((ask) => (row(ask) < 20 || mended ? "verdict" : "hang")) },
      { untilIdle: false },
    );
    let mended = false;
    await until(() => shards(file) > 0 && worker.pool.inFlight() === 8);
    await appendControl(store, file.batch, { state: "cancelled" }, author());
    await queue.nudge(file.batch);
    await until(() => worker.pool.inFlight() === 0);
    const [asked, committed] = [worker.pool.log.length, shards(file)];
    for (let i = 0; i < 3; i += 1) {
      queue.wipe();
      // an old Redis comes back, with jobs of the cancelled batch
      await queue.add(file.chunks.map((_, chunk) => ({ batch: file.batch, chunk, priority: 1 })));
      await turns(60);
    }
    expect(worker.pool.log).toHaveLength(asked);
    expect(shards(file)).toBe(committed);
    expect((await readControl(store, file.batch)).state).toBe("cancelled");
    mended = true;
    await resume(file);
    await until(() => store.objects.has(successKey(file.batch)));
    worker.drain.abort();
    expect(await worker.ended).toBe("drained");
    expect(await verify(file)).toMatchObject({ complete: true, broken: null });
  });

  test("an engine that suddenly rejects everything pauses the batch, commits nothing more of it, and is resumed when mended", async () => {
    const file = await submit(store, records(300));
    let broken = false;
    const pool = saying((ask) => {
      broken ||= row(ask) >= 100;
      return broken ? "rejected" : "verdict";
    });
    let committedAtPause = -1;
    const worker = startWorker(
      { store, queue, pool },
      {
        onEvent: ({ type }) => {
          if (type === "paused") committedAtPause = shards(file);
        },
      },
    );
    expect(await worker.ended).toBe("idle");
    expect(worker.events.filter(({ type }) => type === "paused")).toHaveLength(1);
    const { state, last } = await readControl(store, file.batch);
    expect(state).toBe("paused");
    expect(last?.reason).toMatch(/rejected/);
    expect(shards(file)).toBe(committedAtPause);
    for await (const { rows } of readShards({ store, decodeShard }, file)) {
      expect(rows.some(({ status }) => status === "ok")).toBe(true);
    }
    expect(await verify(file)).toMatchObject({ complete: false, broken: null });

    // the same worker's engines, mended: the fences of the pause are gone
    expect(pool.fences()).toEqual([]);
    await resume(file);
    expect(await startWorker({ store, queue }).ended).toBe("idle");
    expect(await verify(file)).toMatchObject({ complete: true, broken: null, doneRows: 300 });
  });

  test("one chunk that fails as a whole is enough: paused with the class and an example, its rows asked once", async () => {
    const file = await submit(store, records(16));
    const worker = startWorker({ store, queue, pool: saying(() => "rejected") });
    expect(await worker.ended).toBe("idle");
    const { state, last } = await readControl(store, file.batch);
    expect([state, last?.reason]).toEqual([
      "paused",
      expect.stringMatching(/all 16 asked rows.*rejected; row 0: scripted/),
    ]);
    expect(worker.pool.log).toHaveLength(16);
  });

  test("failures that a person accepts are committed as they are", async () => {
    const file = await submit(store, records(40));
    expect(await startWorker({ store, queue, pool: saying(() => "rejected") }).ended).toBe("idle");
    expect(shards(file)).toBeLessThan(file.chunks.length);
    await resume(file, true);
    expect(await startWorker({ store, queue, pool: saying(() => "rejected") }).ended).toBe("idle");
    expect(await verify(file)).toMatchObject({ complete: true, broken: null, status: { rejected: 40 } });
  });

  test("of two engines the bad one is fenced and the batch ends on the good one", async () => {
    const file = await submit(store, records(400));
    const pool = saying((ask) => (ask.origin === "http://bad" && ask.nth === 1 ? "rejected" : "verdict"), {
      origins: ["http://bad", "http://good"],
    });
    const worker = startWorker({ store, queue, pool, probe: probing({}, ["http://bad", "http://good"]) });
    expect(await worker.ended).toBe("idle");
    const report = await verify(file);
    expect(report).toMatchObject({ complete: true, broken: null });
    // it is noticed within the first 50 rows, and those in flight then
    expect(report.status.rejected).toBeLessThan(70);
    expect(worker.events.filter(({ type }) => type === "paused")).toEqual([]);
  });

  test("a batch that its budget pauses does not touch another on the same worker", async () => {
    const bad = await submit(store, records(100, 1_000));
    const good = await submit(store, records(100));
    // mixed classes: no chunk fails as a whole, the budget of the engine speaks
    const pool = saying((ask) => (row(ask) < 1_000 || row(ask) % 3 === 0 ? "verdict" : "rejected"));
    const worker = startWorker({ store, queue, pool });
    expect(await worker.ended).toBe("idle");
    expect(await verify(good)).toMatchObject({ complete: true, broken: null, status: { ok: 100 } });
    expect(await readControl(store, bad.batch)).toMatchObject({
      state: "paused",
      last: { reason: expect.stringMatching(/more than half.*rejected/) },
    });
    expect((await readLedger(store, bad)).missing.length).toBeGreaterThan(0);
    expect(pool.fences()).toEqual([]);
  });

  test.each(["E_BROKEN", "E_INTERNAL"])(
    "a fault of ours or of the stored rows pauses the batch instead of repeating all night: %s",
    async (expected) => {
      const file = await submit(store, records(20));
      if (expected === "E_BROKEN") store.objects.set(`${file.batch}/rows/000000.jsonl.gz`, Buffer.from("no gzip"));
      const pool = saying(() => {
        if (expected === "E_INTERNAL") throw new Error("a bug");
        return "verdict";
      });
      expect(code(await startWorker({ store, queue, pool }, { only: file.batch }).ended)).toBe(expected);
      expect((await readControl(store, file.batch)).last?.reason).toMatch(expected);
      // a worker for many batches is done with it: it is paused
      expect(await startWorker({ store, queue, pool }).ended).toBe("idle");
    },
  );
});

describe("run-worker: engines that do not fit", () => {
  const mismatches: [string, Parameters<typeof probing>[0]][] = [
    ["E_PIN_MISMATCH", { template: "another" }],
    ["E_SIMULATED_MIX", { simulated: true }],
  ];
  test.each(mismatches)(
    "%s: nothing is asked, the others are served, and the worker says so at its end",
    async (expected, found) => {
      const file = await submit(store, records(20));
      await pinBatch(store, file.batch, pin);
      const other = await submit(store, records(20, 100));
      const only = startWorker({ store, queue, probe: probing(found) }, { only: file.batch });
      expect(code(await only.ended)).toBe(expected);
      const worker = startWorker({ store, queue, probe: probing(found) });
      expect(code(await worker.ended)).toBe(expected);
      expect(worker.pool.log.map(({ batch }) => batch)).not.toContain(file.batch);
      expect(await verify(other)).toMatchObject({ complete: true, broken: null });
      // its jobs are still there for workers that fit
      expect(await startWorker({ store, queue }).ended).toBe("idle");
      expect(await verify(file)).toMatchObject({ complete: true, broken: null, simulated: false });
    },
  );

  test("a second worker whose engines render another template is refused with both fingerprints and its engine", async () => {
    const file = await submit(store, records(40));
    const probeOf = (template: string, origin: string) => probing({ template }, [origin]);
    const pool = scriptedPool({ script: () => "hang" });
    const first = startWorker({ store, queue, pool, probe: probeOf("a1a1", "http://a") });
    await until(() => pool.log.length > 0);
    first.abort.abort();
    expect(await first.ended).toBe("drained");
    const second = startWorker({ store, queue, probe: probeOf("b2b2", "http://b") }, { only: file.batch });
    const end = await second.ended;
    expect(typeof end === "object" && end.error).toMatchObject({
      code: "E_PIN_MISMATCH",
      expected: 'template "a1a1"',
      got: 'template "b2b2"',
      where: `http://b, against ${pinKey(file.batch)}`,
    });
    expect(second.pool.log).toEqual([]);
    expect(await startWorker({ store, queue, probe: probeOf("a1a1", "http://a") }).ended).toBe("idle");
    expect(await verify(file)).toMatchObject({ complete: true, broken: null });
  });

  test("engines that do not answer the probe are waited for", async () => {
    const file = await submit(store, records(20));
    let refusals = 3;
    const probe: ProbeEngines = async (...asked) => {
      if (refusals-- > 0) throw new AssayError("E_ENGINE_UNREACHABLE", "played");
      return probing()(...asked);
    };
    const worker = startWorker({ store, queue, probe });
    expect(await worker.ended).toBe("idle");
    expect(worker.events).toContainEqual(expect.objectContaining({ type: "away", what: "engine" }));
    expect(await verify(file)).toMatchObject({ complete: true, broken: null });
  });

  test("two engines of one worker that differ are refused before anything is pinned", async () => {
    const file = await submit(store, records(3));
    const probe: ProbeEngines = async (...asked) => {
      const found = await probing({}, ["http://a", "http://b"])(...asked);
      return { ...found, facts: found.facts.map((facts, i) => ({ ...facts, pin: { ...pin, template: `t${i}` } })) };
    };
    const { ended } = startWorker({ store, queue, probe }, { only: file.batch });
    const end = await ended;
    expect(typeof end === "object" && end.error).toMatchObject({
      code: "E_PIN_MISMATCH",
      where: "http://a and http://b",
      expected: 'template "t0"',
      got: 'template "t1"',
    });
    expect(store.objects.has(pinKey(file.batch))).toBe(false);
  });
});
