import { setMaxListeners } from "node:events";
import { manualClock, memoryStore } from "@assay/testkit";
import { expect, jest, test } from "@jest/globals";
import { probing, records, submit } from "./build-batch.ts";
import { scriptedPool } from "./scripted-pool.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";

jest.setTimeout(60_000);

const forever = new AbortController().signal;
setMaxListeners(0, forever);

test("a batch that is fenced from all engines but one leaves the others to the rows of another batch", async () => {
  const clock = manualClock();
  const store = memoryStore();
  const origins = Array.from({ length: 8 }, (_, i) => `http://e${i}`);
  const narrow = await submit(store, records(1_200));
  await submit(store, records(1_200, 10_000));
  const pool = scriptedPool({
    origins,
    slots: 8,
    before: ({ kind }) => clock.sleep(kind === "chat" ? 9_950 : 50, forever),
  });
  for (const origin of origins.slice(1)) pool.fence(narrow.batch, origin, "rejects everything");
  const worker = startWorker({ store, queue: wipeableQueue(), pool, clock, probe: probing({}, origins) });
  let held = 0;
  for (let looks = 0; looks < 100; looks += 1) {
    await clock.advance(1_000);
    held += pool.inFlight() / 100;
  }
  worker.abort.abort();
  await clock.advance(20_000);
  expect(await worker.ended).toBe("drained");
  // of 64
  expect(held).toBeGreaterThan(58);
});
