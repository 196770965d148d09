import { setMaxListeners } from "node:events";
import type { EngineOutcome, ReadRequest } from "@assay/core";
import type { EngineClient } from "../src/engine-client.ts";
import { createEnginePool, type WatchedPool } from "../src/engine-pool.ts";
import type { EnginePool } from "../src/port.ts";
import type { TakeBack } from "../src/take-back.ts";

export const never: AbortSignal = new AbortController().signal;
setMaxListeners(0, never);
export const request: ReadRequest = { kind: "read", model: "m", promptTokenIds: [], logprobTokenIds: [] };
export const lost: EngineOutcome = {
  ok: false,
  failure: { kind: "lost", status: null, message: "no answer: ECONNREFUSED", retryAfterMs: null },
};

/** An engine that is always lost, or says what a test wants. */
export function client(origin: string, outcome: EngineOutcome = lost): EngineClient {
  return {
    origin,
    complete: async () => outcome,
    streamFromNowOn: () => {},
    ask: async () => ({ status: 200, body: null }),
  };
}

const pools: EnginePool[] = [];
/** For afterEach. */
export async function closePools(): Promise<void> {
  for (const pool of pools.splice(0)) await pool.close();
}

export function openWatched(
  origins: string[],
  inFlight: number,
  look: TakeBack["look"] = async () => "same",
  clientOf: (origin: string) => EngineClient = client,
  more: { leastCutMs?: number; onWarning?: (text: string) => void } = {},
): WatchedPool {
  const watched = createEnginePool({
    clients: origins.map((origin) => clientOf(origin)),
    inFlight,
    look,
    onWarning: () => {},
    ...more,
  });
  pools.push(watched.pool);
  return watched;
}

export function openPool(...args: Parameters<typeof openWatched>): EnginePool {
  return openWatched(...args).pool;
}

/** The value when the promise is settled by now, else "waits". */
export async function now<T>(promise: Promise<T>): Promise<T | "waits"> {
  return Promise.race([promise, new Promise<"waits">((resolve) => setImmediate(resolve, "waits"))]);
}
