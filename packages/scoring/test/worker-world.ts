import { type AssayError, type BatchFile, shardPrefix } from "@assay/core";
import { decodeShard } from "@assay/datasets";
import type { JobQueue } from "@assay/queue";
import type { ObjectStore } from "@assay/store";
import type { memoryStore } from "@assay/testkit";
import { jest } from "@jest/globals";
import { appendControl } from "../src/control-log.ts";
import { reconcileBatch } from "../src/reconcile-batch.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { refuseUnhandled } from "./refuse-unhandled.ts";
import { type Ask, type Say, scriptedPool } from "./scripted-pool.ts";
import type { TestWorker } from "./start-worker.ts";

/** Once in each test file of the worker. */
export function testWorkers(): ReturnType<typeof refuseUnhandled> {
  // turns of the event loop are slow where other tests have the cores; less than the 30 s after which a worker looks at
  // its control log again by itself, which would hide a nudge that was not heard
  jest.setTimeout(25_000);
  return refuseUnhandled();
}

type Memory = ReturnType<typeof memoryStore>;

let authors = 0;
export function author() {
  authors += 1;
  return { id: `person-${authors}`, at: "2026-01-01T00:00:00.000Z", by: "test" };
}

/** As the command does. */
export async function resume(
  { store, queue }: { store: ObjectStore; queue: JobQueue },
  file: BatchFile,
  accept_failures = false,
): Promise<void> {
  await appendControl(store, file.batch, { state: "running", accept_failures }, author());
  await reconcileBatch(store, queue, file);
  await queue.nudge(file.batch);
}

export const verify = (store: Memory, file: BatchFile) => verifyBatch({ store, decodeShard }, file.batch);
export const shards = (store: Memory, file: BatchFile): number =>
  [...store.objects.keys()].filter((key) => key.startsWith(shardPrefix(file.batch))).length;
export const code = (end: Awaited<TestWorker["ended"]>): unknown =>
  typeof end === "string" ? end : (end.error as AssayError).code;
export const saying = (say: (ask: Ask) => Say, more: Parameters<typeof scriptedPool>[0] = {}) =>
  scriptedPool({ slots: 8, ...more, script: say });
/** Of a row that `record` made. */
export const row = (ask: Ask): number => Number(/^r(\d+)/.exec(ask.row)?.[1]);
