import type { EngineMetrics } from "./read-metrics.ts";

/** How many rows may be in flight at one engine, and what the last look at it said. */
export interface LimiterState {
  readonly limit: number;
  readonly preemptions: number | null;
  /** looks in a row at which rows waited inside the engine */
  readonly crowded: number;
  /** of the KV cache, what a running row takes on average, over the last looks; null before any row ran */
  readonly rowShare: number | null;
}

/** One row always fits. A cache of 17,000 tokens (32B in bfloat16 on one H100) holds no more than five. */
const floor = 1;
const ceiling = 4_096;
/** What a limit begins at where the engine does not tell its KV cache. */
const blindStart = 32;
/** Share of the KV cache that the start value fills: rows differ, and an overfull cache computes rows twice. */
const startShare = 0.8;
/**
 * Of the KV cache, what rows of the average size may fill. Rows grow as long as they write: at 0.85 of a cache of 14 rows
 * the throughput is 2 % less, and a use looked at for a moment instead of a row's average preempts twice
 * as often for none more (test/limiter-settles.test.ts; docs/explanation/throughput.md for a real vLLM).
 */
const fullCache = 0.9;
/** Looks that a row's share is averaged over: the moment at which many rows are young is no room for more of them. */
const shareLooks = 8;
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
  return { limit, preemptions: null, crowded: 0, rowShare: null };
}

/**
 * The next limit, from the engine's own state and never from errors (a controller that watches
 * preemptions settles at the best fixed limit, one that watches the waiting rows settles past it). Preemptions shrink
 * the limit by 7 %, from what really ran; room for one more row of the average size lets it grow. While more of our own
 * rows are in flight (`taken`) than it allows, it stays: the rows above it say nothing about it. Without metrics it
 * stays, too. Pure.
 */
export function nextLimit(state: LimiterState, metrics: EngineMetrics | null, taken: number): LimiterState {
  if (metrics === null) return state;
  const { running, waiting, kvUsage, preemptions } = metrics;
  // a restarted engine counts from 0 again
  const preempted = Math.max(0, preemptions - (state.preemptions ?? preemptions));
  const crowded = waiting > fewWaiting ? state.crowded + 1 : 0;
  const rowShare = averageShare(state.rowShare, metrics);
  const next = { preemptions, crowded, rowShare };
  if (taken > state.limit) return { ...next, limit: state.limit };
  if (preempted > tolerated * running) {
    return { ...next, limit: clamp(Math.floor(Math.min(state.limit, running + fewWaiting) * 0.93)) };
  }
  if (crowded >= patience) return { ...next, limit: clamp(Math.min(state.limit, running + fewWaiting)) };
  const fits = rowShare === null ? ceiling : Math.floor(fullCache / rowShare);
  // only a limit that is used says anything about the next one
  const roomy = waiting <= fewWaiting && taken >= state.limit * 0.9 && state.limit < fits;
  return { ...next, limit: roomy ? clamp(Math.min(fits, state.limit + step(state.limit, kvUsage))) : state.limit };
}

/** What a running row takes of the KV cache, averaged over about the last `shareLooks` looks. */
function averageShare(before: number | null, { running, kvUsage }: EngineMetrics): number | null {
  if (running === 0 || kvUsage === 0) return before;
  const seen = kvUsage / running;
  return before === null ? seen : before + (seen - before) / shareLooks;
}

/** Far from full it grows by an eighth, near it by one row. */
function step(limit: number, kvUsage: number): number {
  return kvUsage < 0.7 ? Math.max(1, Math.floor(limit / 8)) : 1;
}

function clamp(limit: number): number {
  return Math.min(ceiling, Math.max(floor, limit));
}
