import type { ObjectStore } from "@assay/store";
import { memoryStore } from "@assay/testkit";
import { expect, test } from "@jest/globals";
import { records, submit } from "./build-batch.ts";
import { turns, until } from "./immediate-clock.ts";
import { type Ask, type Say, scriptedPool } from "./scripted-pool.ts";
import { startWorker } from "./start-worker.ts";
import { type WipeableQueue, wipeableQueue } from "./wipeable-queue.ts";
import { row, testWorkers, verify } from "./worker-world.ts";

testWorkers();

/** A store that takes no more and refuses nothing from its `from`-th call on: it only does not answer. */
function silentFrom(inner: ObjectStore, from: number): ObjectStore & { isSilent(): boolean } {
  let calls = 0;
  const isSilent = (): boolean => calls >= from;
  const answer = async <T>(work: () => Promise<T>): Promise<T> => {
    calls += 1;
    return isSilent() ? new Promise<T>(() => {}) : work();
  };
  return {
    uri: inner.uri,
    isSilent,
    get: (key) => answer(() => inner.get(key)),
    putIfAbsent: (key, bytes) => answer(() => inner.putIfAbsent(key, bytes)),
    head: (key) => answer(() => inner.head(key)),
    read: (key) => answer(() => inner.read(key)),
    ranges: (key) => answer(() => inner.ranges(key)),
    remove: (key) => answer(() => inner.remove(key)),
    async *list(prefix, options) {
      await answer(async () => {});
      yield* inner.list(prefix, options);
    },
  };
}

type Engines = (ask: Ask, queue: WipeableQueue) => Say;

/** Nothing of its second requests is in the cache: after 50 rows it wants to change its way, and the store is asked whether it may. */
const dear: Engines = ({ kind }) =>
  kind === "read"
    ? { completion: { usage: { promptTokens: 1_000, completionTokens: 1, cachedTokens: 0 } } }
    : "verdict";

/** One row ends the first engine that it is sent to, and the worker has lost its leases just before. */
const dying: Engines = (ask, queue) => {
  if (row(ask) !== 5 || ask.kind !== "chat" || ask.nth > 1) return "verdict";
  queue.lapse();
  return "dies";
};

/** Ends at the deadline of its drain, whatever the store says nothing to; true where it ended before. */
async function drainedFrom(call: number, rows: number, engines: Engines): Promise<boolean> {
  const [store, disk, queue] = [memoryStore(), memoryStore(), wipeableQueue()];
  const file = await submit(store, records(rows));
  const silent = silentFrom(store, call);
  const pool = scriptedPool({ slots: 64, script: (ask) => engines(ask, queue) });
  const first = startWorker({ store: silent, disk, queue: queue.view(), pool }, { drainMs: 0 });
  let isOver = false;
  void first.ended.then(() => {
    isOver = true;
  });
  await until(() => isOver || silent.isSilent());
  await turns(100);
  first.drain.abort();
  const ended = await first.ended;
  if (ended === "idle") return true;
  expect([call, ended]).toEqual([call, "drained"]);
  // which of the rows in flight had an answer when an engine died the log does not tell
  const done = new Set(pool.deaths() > 0 ? [] : pool.log.filter(({ kind }) => kind === "read").map((ask) => ask.row));

  const second = startWorker({ store, disk, queue: queue.view() });
  expect(await second.ended).toBe("idle");
  expect(await verify(store, file)).toMatchObject({ complete: true, broken: null });
  // every row that was done is in the store or on the disk of the host
  expect([call, second.pool.log.filter(({ row }) => done.has(row)).map(({ row }) => row)]).toEqual([call, []]);
  return false;
}

test.each([
  ["engines that read in two steps", 48, () => "verdict"],
  ["engines that want to change their way", 64, dear],
  ["engines that die under leases that lapsed", 48, dying],
] as readonly [string, number, Engines][])(
  "law: from whichever call on the store says nothing, a drain ends at its deadline, and no row that was done is asked again: %s",
  async (_name, rows, engines) => {
    let calls = 1;
    while (!(await drainedFrom(calls, rows, engines))) calls += 1;
    expect(calls).toBeGreaterThan(30);
  },
  120_000,
);
