import { AssayError, type BatchFile, jobId } from "@assay/core";
import type { JobQueue } from "@assay/queue";
import { inProcessQueue } from "@assay/queue/in-process";
import { memoryStore } from "@assay/testkit";
import { beforeEach, describe, expect, test } from "@jest/globals";
import { appendControl } from "../src/control-log.ts";
import { reconcileBatch } from "../src/reconcile-batch.ts";
import { records, submit } from "./build-batch.ts";
import { turns, until } from "./immediate-clock.ts";
import { startWorker, type TestWorker } from "./start-worker.ts";
import { author, saying, testWorkers } from "./worker-world.ts";

testWorkers();

/** The in-process queue, which tells where its jobs wait; its courtesies lapse by a clock that the test moves on. */
interface WatchedQueue extends JobQueue {
  away: boolean;
  now: number;
  /** of the jobs that were added; of one that was there already nothing is noted */
  readonly priorities: Map<string, number>;
}

function watchedQueue(): WatchedQueue {
  const inner = inProcessQueue("assay.test");
  const priorities = new Map<string, number>();
  const courtesies = new Map<string, number>();
  const queue: WatchedQueue = {
    ...inner,
    away: false,
    now: 0,
    priorities,
    async add(jobs) {
      for (const { batch, chunk, priority } of await absentOf(jobs)) priorities.set(jobId(batch, chunk), priority);
      await inner.add(jobs);
    },
    async remove(jobs) {
      if (queue.away) throw new AssayError("E_REDIS_UNAVAILABLE", "played");
      await inner.remove(jobs);
    },
    async courtesy(task, forMs) {
      if (queue.away) return true;
      if ((courtesies.get(task) ?? 0) > queue.now) return false;
      courtesies.set(task, queue.now + forMs);
      return true;
    },
  };
  async function absentOf(jobs: Parameters<JobQueue["add"]>[0]): Promise<Parameters<JobQueue["add"]>[0]> {
    const absent = new Set((await inner.missing(jobs)).map(({ batch, chunk }) => jobId(batch, chunk)));
    return jobs.filter(({ batch, chunk }) => absent.has(jobId(batch, chunk)));
  }
  return queue;
}

let store: ReturnType<typeof memoryStore>;
let queue: WatchedQueue;
let file: BatchFile;
let workers: TestWorker[];
beforeEach(async () => {
  store = memoryStore();
  queue = watchedQueue();
  workers = [];
  file = await submit(store, records(600));
  await reconcileBatch(store, queue, file);
});

async function start(): Promise<void> {
  const pool = saying(() => "hang");
  workers.push(startWorker({ store, queue, pool }, { untilIdle: false }));
  await until(() => pool.inFlight() === 8);
}

async function end(): Promise<void> {
  for (const { abort } of workers) abort.abort();
  for (const { ended } of workers) await ended;
}

/** Every worker looks at the control log, as a nudge has it do or its own clock. */
async function look(): Promise<void> {
  await queue.nudge(file.batch);
  await turns(60);
}

/** A person gives the batch weight 4; what is put into the queue from then on is told apart from what was there. */
async function reweigh(): Promise<number> {
  queue.priorities.clear();
  return (await appendControl(store, file.batch, { weight: 4 }, author())).control.n;
}

/** All but those in hand were put anew, four at a priority. */
function expectWeight4(): void {
  const { size } = queue.priorities;
  expect(size).toBeGreaterThan(file.chunks.length - 8);
  expect(new Set(queue.priorities.values()).size).toBe(Math.ceil(size / 4));
}

describe("run-worker: a weight that changes", () => {
  test("Redis is away when its worker tries: it tries again until it is done", async () => {
    await start();
    await reweigh();
    queue.away = true;
    await look();
    expect(queue.priorities.size).toBe(0);
    queue.away = false;
    await look();
    expectWeight4();
    await end();
  });

  test("whoever took it upon himself has died over it: another one does it", async () => {
    await start();
    const n = await reweigh();
    expect(await queue.courtesy(`weigh-${file.batch}-${n}`, 60_000)).toBe(true);
    await look();
    expect(queue.priorities.size).toBe(0);
    queue.now += 60_000;
    await look();
    expectWeight4();
    await end();
  });

  test("out of reach of Redis and before any worker had the batch: who opens it does it", async () => {
    await reweigh();
    await start();
    expectWeight4();
    await end();
  });

  test("one of many does it, and nobody again, those that open the batch later included", async () => {
    await start();
    await start();
    await reweigh();
    await look();
    expectWeight4();
    queue.priorities.clear();
    await start();
    for (let minute = 0; minute < 5; minute += 1) {
      queue.now += 60_000;
      await look();
    }
    expect(queue.priorities.size).toBe(0);
    await end();
  });
});
