import { decodeKeys, decodeShard, encodeShard } from "@assay/datasets";
import type { JobQueue } from "@assay/queue";
import type { ObjectStore } from "@assay/store";
import type { Clock } from "../src/clock.ts";
import { runWorker } from "../src/run-worker.ts";
import type { WorkerEvent, WorkerOptions, WorkerPorts } from "../src/worker-ports.ts";
import { model, probing } from "./build-batch.ts";
import { immediateClock } from "./immediate-clock.ts";
import { type ScriptedPool, scriptedPool } from "./scripted-pool.ts";

export interface TestWorker {
  readonly pool: ScriptedPool;
  readonly events: WorkerEvent[];
  readonly drain: AbortController;
  readonly abort: AbortController;
  /** how it ended; an error is a value, so that a test may look at it when it likes */
  readonly ended: Promise<"idle" | "drained" | { error: unknown }>;
}

let started = 0;

/** Starts a worker that goes home when the store says that nothing is left, on engines that answer well. */
export function startWorker(
  ports: { store: ObjectStore; queue: JobQueue } & Partial<Omit<WorkerPorts, "pool">> & {
      pool?: ScriptedPool;
      clock?: Clock;
    },
  options: Partial<WorkerOptions> = {},
): TestWorker {
  started += 1;
  const { pool = scriptedPool(), clock = immediateClock((started % 0xffff).toString(16)) } = ports;
  const events: WorkerEvent[] = [];
  const drain = new AbortController();
  const abort = new AbortController();
  const running = runWorker(
    { disk: null, probe: probing(), encodeShard, decodeShard, decodeKeys, ...ports, pool, clock },
    {
      model,
      name: `worker-${started}`,
      software: "0.0.0-test",
      only: null,
      untilIdle: true,
      drainMs: null,
      ...options,
      drain: drain.signal,
      abort: abort.signal,
      onEvent: (event) => {
        events.push(event);
        options.onEvent?.(event);
      },
    },
  );
  return { pool, events, drain, abort, ended: running.catch((error: unknown) => ({ error })) };
}
