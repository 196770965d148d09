import { AssayError, decodeWorkerState, readPartialKey, type WorkerState } from "@assay/core";
import { manualClock, memoryStore } from "@assay/testkit";
import { describe, expect, test } from "@jest/globals";
import { pinBatch } from "../src/pin-batch.ts";
import { type Seen, tellEveryMs, tellState } from "../src/tell-state.ts";
import { pin, probing, record, submit } from "./build-batch.ts";
import { faultyStore } from "./faulty-store.ts";
import { until } from "./immediate-clock.ts";
import { scriptedPool } from "./scripted-pool.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";

const at = (ms: number): string => new Date(Date.UTC(2026, 0, 1) + ms).toISOString();
const text = `${record(0, { principles: Array.from({ length: 100 }, (_, k) => `p${k}`) })}\n`;

/** The states that are shown now, decoded. */
const shown = (queue: ReturnType<typeof wipeableQueue>): (WorkerState | null)[] => queue.told().map(decodeWorkerState);

describe("what a worker tells of itself", () => {
  const resting: Seen = {
    storeAway: null,
    engineAway: null,
    isDraining: false,
    batches: [],
    refused: [],
    rows_on_disk: 0,
    rows_in_memory: 0,
    is_full: false,
  };
  const away = { since: Date.UTC(2026, 0, 1) - 60_000, why: "503 SlowDown" };
  const who = { name: "host7:1", root: "s3://bucket/root", model: "judge" };

  test.each<[WorkerState["does"], Partial<Seen>]>([
    ["rests", {}],
    ["scores", { batches: ["b"] }],
    ["drains", { batches: ["b"], isDraining: true }],
    ["waits-for-engine", { batches: ["b"], engineAway: away }],
    ["waits-for-store", { batches: ["b"], engineAway: away, storeAway: away, isDraining: true }],
  ])("%s", async (does, changed) => {
    const queue = wipeableQueue();
    const told = tellState(queue, manualClock(), who, () => ({ ...resting, ...changed }));
    const isAway = does.startsWith("waits");
    expect(shown(queue)).toMatchObject([
      { ...who, does, why: isAway ? "503 SlowDown" : null, since: isAway ? at(-60_000) : at(0) },
    ]);
    await told.stop();
    expect(queue.told()).toEqual([]);
  });

  test("since when it does what it does, said again and again", async () => {
    const clock = manualClock();
    const queue = wipeableQueue();
    let batches: string[] = [];
    const told = tellState(queue, clock, who, () => ({ ...resting, batches }));
    await clock.advance(3 * tellEveryMs);
    expect(shown(queue)).toMatchObject([{ does: "rests", since: at(0) }]);
    batches = ["b"];
    await clock.advance(1);
    expect(shown(queue)).toMatchObject([{ does: "rests" }]);
    told.changed();
    const scores = { does: "scores", since: at(3 * tellEveryMs + 1) };
    expect(shown(queue)).toMatchObject([scores]);
    await clock.advance(5 * tellEveryMs);
    expect(shown(queue)).toMatchObject([scores]);
    // a wiped Redis has it back with the next beat
    queue.wipe();
    expect(queue.told()).toEqual([]);
    await clock.advance(tellEveryMs);
    expect(shown(queue)).toMatchObject([scores]);
    await told.stop();
    await clock.advance(5 * tellEveryMs);
    expect(queue.told()).toEqual([]);
  });
});

describe("a worker at work", () => {
  test("says that it waits for a store that takes nothing, with how many rows, and that it scores when that is over", async () => {
    const store = memoryStore();
    const file = await submit(store, text);
    const clock = manualClock();
    const queue = wipeableQueue();
    let takesNothing = true;
    const faulty = faultyStore(
      store,
      ({ kind, key }) => (takesNothing && kind === "put" && readPartialKey(key)?.kind === "rows" ? "before" : null),
      () => new AssayError("E_STORE_UNAVAILABLE", "PutObject failed", { got: "503 SlowDown" }),
    );
    const pool = scriptedPool({
      slots: 1_000,
      script: ({ row }) => (Number(/p(\d+)/.exec(row)?.[1]) < 80 ? "verdict" : "hang"),
    });
    const worker = startWorker({ store: faulty, queue, pool, clock });
    await until(() => worker.events.some(({ type }) => type === "away"));
    await until(() => pool.inFlight() === 20);
    await clock.advance(tellEveryMs);
    const waits = { does: "waits-for-store", why: "503 SlowDown", since: at(0), is_full: false, rows_on_disk: 0 };
    expect(shown(queue)).toMatchObject([{ ...waits, batches: [file.batch], rows_in_memory: 80 }]);
    takesNothing = false;
    await until(() => pool.inFlight() === 20);
    while (shown(queue)[0]?.does !== "scores") await clock.advance(tellEveryMs);
    expect(shown(queue)).toMatchObject([{ does: "scores", why: null, rows_in_memory: 0 }]);
    expect(queue.told().join()).not.toMatch(/reward|logprob|say it|p79/);
    worker.abort.abort();
    await worker.ended;
    expect(queue.told()).toEqual([]);
  });

  test("says which batch it leaves alone, and why", async () => {
    const store = memoryStore();
    const file = await submit(store, text);
    await pinBatch(store, file.batch, pin);
    const clock = manualClock();
    const queue = wipeableQueue();
    const probe = probing({ template: "another" });
    const worker = startWorker({ store, queue, clock, probe }, { untilIdle: false });
    await until(() => worker.events.some(({ type }) => type === "refused"));
    await clock.advance(tellEveryMs);
    const refused = [{ batch: file.batch, why: expect.stringMatching(/^E_PIN_MISMATCH /) }];
    expect(shown(queue)).toMatchObject([{ does: "rests", refused }]);
    worker.abort.abort();
    await worker.ended;
  });
});
