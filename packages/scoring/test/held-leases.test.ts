import type { LeasedJob } from "@assay/queue";
import { memoryStore } from "@assay/testkit";
import { beforeEach, describe, expect, test } from "@jest/globals";
import { openHeldLeases } from "../src/held-leases.ts";
import { records, submit } from "./build-batch.ts";
import { turn, turns, until } from "./immediate-clock.ts";
import { type Ask, scriptedPool } from "./scripted-pool.ts";
import { startWorker } from "./start-worker.ts";
import { type WipeableQueue, wipeableQueue } from "./wipeable-queue.ts";
import { row, testWorkers, verify } from "./worker-world.ts";

/** A worker that lost its leases and gets the same chunks out of the queue again goes on with them. */

testWorkers();

let store: ReturnType<typeof memoryStore>;
let queue: WipeableQueue;
beforeEach(() => {
  store = memoryStore();
  queue = wipeableQueue();
});

/**
 * Three rows of four wait in their engines when `befalls` happens; they end once the queue had its say. How many
 * requests the batch took.
 */
async function whileAsking(befalls: () => void): Promise<number> {
  const file = await submit(store, records(48));
  expect(file.chunks.length).toBeGreaterThan(1);
  let ends: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    ends = resolve;
  });
  const before = (ask: Ask): Promise<void> => (ask.kind === "chat" && row(ask) % 4 !== 0 ? ended : turn());
  const pool = scriptedPool({ slots: 64, before });
  const worker = startWorker({ store, queue, pool });
  await until(() => pool.inFlight() === 36);
  befalls();
  // the worker's own reconcile adds what is in no list, and its own take gets it
  await turns(1_000);
  expect(worker.events.filter(({ type }) => type === "chunk")).toEqual([]);
  ends();
  expect(await worker.ended).toBe("idle");
  await verify(store, file);
  return pool.log.filter(({ kind }) => kind === "chat").length;
}

describe("a worker asks no row twice", () => {
  test("when Redis is wiped under it", async () => {
    expect(await whileAsking(() => queue.wipe())).toBe(48);
  });

  test("when its leases lapse, as on a machine that slept", async () => {
    expect(await whileAsking(() => queue.lapse())).toBe(48);
  });

  test("when both happen again and again", async () => {
    const asked = await whileAsking(() => {
      queue.wipe();
      void turns(200).then(() => queue.lapse());
      void turns(400).then(() => queue.wipe());
      void turns(600).then(() => queue.lapse());
    });
    expect(asked).toBe(48);
  });
});

test("a chunk that ended and runs here again is not forgotten by what was left of its first run", async () => {
  const job = { batch: "b-0000000000000000", chunk: 0 };
  const lease = (): LeasedJob => ({ job, onRefused: () => {}, done: async () => {}, handBack: async () => {} });
  const leases = openHeldLeases();
  const first = leases.hold(lease());
  // given back: the same worker's next take has it before Redis has answered
  const back = first.handBack();
  const second = leases.hold(lease());
  await back;
  first.letGo();
  expect(leases.adopt(lease())).toBe(true);
  second.letGo();
  expect(leases.adopt(lease())).toBe(false);
});
