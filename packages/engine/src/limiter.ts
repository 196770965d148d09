import type { EngineMetrics } from "./read-metrics.ts";

/** How many rows may be in flight at one engine, and what the last look at it said. */
export interface LimiterState {
  readonly limit: number;
  readonly preemptions: number | null;
  /** looks in a row at which rows waited inside the engine */
  readonly crowded: number;
}

/** Fewer than this starve an engine whose rows are short. */
const floor = 8;
const ceiling = 4_096;
/** What a limit begins at where the engine does not tell its KV cache. */
const blindStart = 32;
/** Share of the KV cache that the start value fills: rows differ, and an overfull cache computes rows twice. */
const startShare = 0.8;
/** Above this use the cache is as full as it should be. */
const fullCache = 0.92;
/** Preempted rows per running row and look above which the engine has too many. */
const tolerated = 0.02;
/** A few rows waiting inside the engine hide the turn-around of HTTP. */
const fewWaiting = 2;
/** Looks after which waiting rows are no burst any more but too many. */
const patience = 6;

/**
 * The limit an engine begins with: what its KV cache holds of rows of `liveTokens` tokens (prompt and the answer so
 * far), four fifths of it; 32 where it does not tell.
 */
export function startLimiter(kvTokens: number | null, liveTokens: number): LimiterState {
  const limit = kvTokens === null ? blindStart : clamp(Math.floor((startShare * kvTokens) / liveTokens));
  return { limit, preemptions: null, crowded: 0 };
}

/**
 * The next limit, from the engine's own state and never from errors (05 section 2.2; measured on a model of vLLM's
 * scheduler, a controller that watches preemptions settles within 2 % of the best fixed limit, one that watches the
 * waiting rows settles past it). Preemptions shrink the limit by 7 %, from what really ran; room lets it grow. Without
 * metrics it stays. Pure.
 */
export function nextLimit(state: LimiterState, metrics: EngineMetrics | null): LimiterState {
  if (metrics === null) return state;
  const { running, waiting, kvUsage, preemptions } = metrics;
  // a restarted engine counts from 0 again
  const preempted = Math.max(0, preemptions - (state.preemptions ?? preemptions));
  const crowded = waiting > fewWaiting ? state.crowded + 1 : 0;
  const next = { preemptions, crowded };
  if (preempted > tolerated * running) {
    return { ...next, limit: clamp(Math.floor(Math.min(state.limit, running + waiting) * 0.93)) };
  }
  if (crowded >= patience) return { ...next, limit: clamp(Math.min(state.limit, running + fewWaiting)) };
  const roomy = waiting <= fewWaiting && kvUsage < fullCache;
  // only a limit that is used says anything about the next one
  if (roomy && running >= state.limit * 0.9) return { ...next, limit: clamp(state.limit + step(state.limit, kvUsage)) };
  return { ...next, limit: state.limit };
}

/** Far from full it grows by an eighth, near it by one row. */
function step(limit: number, kvUsage: number): number {
  return kvUsage < 0.7 ? Math.max(1, Math.floor(limit / 8)) : 1;
}

function clamp(limit: number): number {
  return Math.min(ceiling, Math.max(floor, limit));
}
