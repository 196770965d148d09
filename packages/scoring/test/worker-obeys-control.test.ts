import { controlKey, successKey } from "@assay/core";
import { decodeShard } from "@assay/datasets";
import { memoryStore } from "@assay/testkit";
import { beforeEach, describe, expect, test } from "@jest/globals";
import { appendControl, readControl } from "../src/control-log.ts";
import { readShards } from "../src/finalize-batch.ts";
import { readLedger } from "../src/read-ledger.ts";
import { probing, records, submit } from "./build-batch.ts";
import { turns, until } from "./immediate-clock.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";
import { author, code, resume, row, saying, shards, testWorkers, verify } from "./worker-world.ts";

testWorkers();

let store: ReturnType<typeof memoryStore>;
let queue: ReturnType<typeof wipeableQueue>;
beforeEach(() => {
  store = memoryStore();
  queue = wipeableQueue();
});

describe("run-worker: what rules a batch", () => {
  test("cancel stops the rows in flight and stays, whatever is wiped; resume revives", async () => {
    const file = await submit(store, records(60));
    const worker = startWorker(
      { store, queue, pool: saying((ask) => (row(ask) < 20 || mended ? "verdict" : "hang")) },
      { untilIdle: false },
    );
    let mended = false;
    await until(() => shards(store, file) > 0 && worker.pool.inFlight() === 8);
    await appendControl(store, file.batch, { state: "cancelled" }, author());
    await queue.nudge(file.batch);
    await until(() => worker.pool.inFlight() === 0);
    const [asked, committed] = [worker.pool.log.length, shards(store, file)];
    for (let i = 0; i < 3; i += 1) {
      queue.wipe();
      // an old Redis comes back, with jobs of the cancelled batch
      await queue.add(file.chunks.map((_, chunk) => ({ batch: file.batch, chunk, priority: 1 })));
      await turns(60);
    }
    expect(worker.pool.log).toHaveLength(asked);
    expect(shards(store, file)).toBe(committed);
    expect((await readControl(store, file.batch)).state).toBe("cancelled");
    mended = true;
    await resume({ store, queue }, file);
    await until(() => store.objects.has(successKey(file.batch)));
    worker.drain.abort();
    expect(await worker.ended).toBe("drained");
    expect(await verify(store, file)).toMatchObject({ complete: true, broken: null });
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
          if (type === "paused") committedAtPause = shards(store, file);
        },
      },
    );
    expect(await worker.ended).toBe("idle");
    expect(worker.events.filter(({ type }) => type === "paused")).toHaveLength(1);
    const { state, last } = await readControl(store, file.batch);
    expect(state).toBe("paused");
    expect(last?.reason).toMatch(/rejected/);
    expect(shards(store, file)).toBe(committedAtPause);
    for await (const { rows } of readShards({ store, decodeShard }, file)) {
      expect(rows.some(({ status }) => status === "ok")).toBe(true);
    }
    expect(await verify(store, file)).toMatchObject({ complete: false, broken: null });

    // the same worker's engines, mended: the fences of the pause are gone
    expect(pool.fences()).toEqual([]);
    await resume({ store, queue }, file);
    expect(await startWorker({ store, queue }).ended).toBe("idle");
    expect(await verify(store, file)).toMatchObject({ complete: true, broken: null, doneRows: 300 });
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
    expect(shards(store, file)).toBeLessThan(file.chunks.length);
    await resume({ store, queue }, file, true);
    expect(await startWorker({ store, queue, pool: saying(() => "rejected") }).ended).toBe("idle");
    expect(await verify(store, file)).toMatchObject({ complete: true, broken: null, status: { rejected: 40 } });
  });

  test("of two engines the bad one is fenced and the batch ends on the good one", async () => {
    const file = await submit(store, records(400));
    const pool = saying((ask) => (ask.origin === "http://bad" && ask.nth === 1 ? "rejected" : "verdict"), {
      origins: ["http://bad", "http://good"],
    });
    const worker = startWorker({ store, queue, pool, probe: probing({}, ["http://bad", "http://good"]) });
    expect(await worker.ended).toBe("idle");
    const report = await verify(store, file);
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
    expect(await verify(store, good)).toMatchObject({ complete: true, broken: null, status: { ok: 100 } });
    expect(await readControl(store, bad.batch)).toMatchObject({
      state: "paused",
      last: { reason: expect.stringMatching(/more than half.*rejected/) },
    });
    expect((await readLedger(store, bad)).missing.length).toBeGreaterThan(0);
    expect(pool.fences()).toEqual([]);
  });

  test("a control log that becomes unreadable in the middle costs its own batch, and only until it is mended", async () => {
    const [file, other] = [await submit(store, records(100)), await submit(store, records(100, 1_000))];
    const pool = saying(() => "verdict", { slots: 2 });
    const worker = startWorker(
      { store, queue, pool },
      {
        onEvent: (event) => {
          if (event.type === "chunk" && event.batch === file.batch)
            store.objects.set(controlKey(file.batch, 1), Buffer.from("{"));
        },
      },
    );
    expect(code(await worker.ended)).toBe("E_BROKEN");
    expect(await verify(store, other)).toMatchObject({ complete: true, broken: null, status: { ok: 100 } });
    const refused = worker.events.flatMap((event) => (event.type === "refused" ? [event] : []));
    expect(refused.map(({ batch }) => batch)).toEqual(refused.map(() => file.batch));
    expect(refused[0]?.error).toMatchObject({ code: "E_BROKEN", where: controlKey(file.batch, 1) });

    store.objects.delete(controlKey(file.batch, 1));
    expect(await startWorker({ store, queue }).ended).toBe("idle");
    expect(await verify(store, file)).toMatchObject({ complete: true, broken: null, status: { ok: 100 } });
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
