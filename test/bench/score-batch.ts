import { randomBytes } from "node:crypto";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { type BatchFile, type Profile, profileByName } from "@assay/core";
import { decodeKeys, decodeShard, encodeShard, readOwnRecords } from "@assay/datasets";
import type { EnginePool } from "@assay/engine";
import { engineAgentOptions, openEngines } from "@assay/engine/openai";
import type { JobQueue } from "@assay/queue";
import { inProcessQueue } from "@assay/queue/in-process";
import { type Clock, planBatch, runWorker, stageBatch } from "@assay/scoring";
import { memoryStore } from "@assay/testkit";
import { Agent } from "undici";
import { submitSettings } from "../submit-settings.ts";

const model = "simulator";
const never = new AbortController().signal;

export interface Run {
  readonly rows: number;
  readonly chunks: number;
  readonly seconds: number;
  /** Prompt tokens of the rows' first requests, and how many of them the engines found in their prefix caches. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** when the last row got its slot, in seconds from the start */
  readonly lastServed: number;
  /** how long each row held its slot, in seconds, in the order of serving */
  readonly held: readonly number[];
  /** share of the time that this process was busy; near 1 the harness is what is measured */
  readonly busy: number;
}

/** Scores records with a worker of the product on these engines, from a memory store; planning is not in the time. */
export async function scoreBatch(options: {
  records: string;
  urls: readonly string[];
  inFlight: number;
  wrap?: (pool: EnginePool) => EnginePool;
  wrapQueue?: (queue: JobQueue) => JobQueue;
  onServed?: (rows: number) => void;
}): Promise<Run> {
  const store = memoryStore();
  const file = await stage(store, options.records);
  const agent = new Agent(engineAgentOptions());
  const { urls, inFlight } = options;
  const queue = inProcessQueue("bench");
  const engines = openEngines({ urls, agent, apiKey: null, inFlight, onWarning: (text) => console.error(text) });
  await engines.probe(file.profile, model, null);
  const tokens = { prompt: 0, cached: 0 };
  const held: number[] = [];
  let lastServed = 0;
  const startedAt = performance.now();
  const before = performance.eventLoopUtilization();
  const counting = countTokens(engines.pool, tokens, () => {
    const row = held.push(0) - 1;
    const servedAt = performance.now();
    lastServed = (servedAt - startedAt) / 1_000;
    options.onServed?.(row + 1);
    return () => {
      held[row] = (performance.now() - servedAt) / 1_000;
    };
  });
  let finishedAt = 0;
  const complete = new AbortController();
  await runWorker(
    {
      disk: null,
      store,
      queue: options.wrapQueue?.(queue) ?? queue,
      pool: options.wrap?.(counting) ?? counting,
      probe: (profile, revision) => engines.probe(profile, model, revision),
      encodeShard,
      decodeShard,
      decodeKeys,
      clock,
    },
    {
      model,
      name: "bench",
      software: "bench",
      only: file.batch,
      untilIdle: true,
      drain: complete.signal,
      drainMs: null,
      abort: never,
      onEvent: (event) => {
        if (event.type === "chunk") finishedAt = performance.now();
        if (event.type === "finished") complete.abort();
        if (event.type === "refused" || event.type === "paused") console.error(event);
      },
    },
  );
  const { utilization } = performance.eventLoopUtilization(before);
  await engines.close();
  await agent.destroy();
  return {
    rows: file.counts.rows,
    chunks: file.chunks.length,
    seconds: (finishedAt - startedAt) / 1_000,
    promptTokens: tokens.prompt,
    cachedTokens: tokens.cached,
    lastServed,
    held,
    busy: utilization,
  };
}

async function stage(store: ReturnType<typeof memoryStore>, records: string): Promise<BatchFile> {
  const profile = profileByName("genrm-principle") as Profile;
  const settings = submitSettings(model, profile, "bench");
  const bytes = new TextEncoder().encode(records);
  const input = { input: "bench.jsonl", where: "bench.jsonl", open: async () => pieces(bytes), ranges: neverAsked };
  const planned = await planBatch([input], settings, readOwnRecords);
  return (await stageBatch(store, planned, [input], settings, readOwnRecords, { signal: never })).file;
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

/** The same pool; notes what the first requests found in the prefix cache, and each slot that is given and given back. */
function countTokens(
  pool: EnginePool,
  tokens: { prompt: number; cached: number },
  onSlot: () => () => void,
): EnginePool {
  return changed(pool, async (batch, signal, prefix) => {
    const slot = await pool.acquire(batch, signal, prefix);
    const onBack = onSlot();
    return {
      ...slot,
      release() {
        onBack();
        slot.release();
      },
      async complete(request, limits) {
        const outcome = await slot.complete(request, limits);
        if (request.kind === "chat" && outcome.ok) {
          tokens.prompt += outcome.completion.usage.promptTokens;
          tokens.cached += outcome.completion.usage.cachedTokens ?? 0;
        }
        return outcome;
      },
    };
  });
}

/** A pool that asks for slots in another way, the rest unchanged. */
export function changed(pool: EnginePool, acquire: EnginePool["acquire"]): EnginePool {
  return {
    ...pool,
    get waiting() {
      return pool.waiting;
    },
    get capacity() {
      return pool.capacity;
    },
    acquire,
  };
}

const clock: Clock = {
  now: Date.now,
  random: () => randomBytes(8).toString("hex"),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => {}),
  every(ms, tell) {
    const timer = setInterval(tell, ms);
    return () => clearInterval(timer);
  },
};

/** Words that no two texts share a beginning of, the same for the same seed. */
export function words(count: number, seed: number): string {
  let state = Math.imul(seed + 1, 2_654_435_761) >>> 0;
  const list = "time year people way day man thing woman life child world school state family student group".split(" ");
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return list[state >>> 28];
  }).join(" ");
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** JSON Lines are read front to back. */
async function neverAsked(): Promise<never> {
  throw new Error("no range is read of JSON Lines");
}
