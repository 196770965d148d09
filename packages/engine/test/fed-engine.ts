import { virtualEngine } from "@assay/simulator/virtual";
import { type LimiterState, nextLimit, startLimiter } from "../src/limiter.ts";
import { type EngineMetrics, readMetrics } from "../src/read-metrics.ts";

/**
 * An engine that was measured (a step takes 18 ms and half a millisecond more for each row; prefills run at
 * 7,500 tokens a second). Each token stands for 64, so that a night takes a second.
 */
const scale = 64;
const engine = {
  slots: 1_024,
  blockSize: 2,
  maxModelLen: 18_432 / scale,
  tokensPerSecond: 54 / scale,
  engineTokensPerSecond: 2_000 / scale,
  prefillTokensPerSecond: 7_500 / scale,
};
const promptTokens = Math.round(2_000 / scale);
const answerTokens = { mean: 2_000 / scale, most: 16_000 / scale, sigma: 0.9 };
const lookMs = 5_000;
/** Until then the first rows have ended; longer where more rows are in flight than the limit allows. */
const warmUpLooks = 240;
const steadyLooks = 360;

export interface Fed {
  /** of the answers, in steady state */
  readonly tokensPerSecond: number;
  /** per row, in steady state */
  readonly preemptions: number;
}

/**
 * Feeds an engine whose cache holds `kvTokens`, as a worker does: two requests a row, and as many rows in flight as the
 * limit says. That is `fixed`, or follows GET /metrics from a `start`. Half an hour of steady state is measured.
 */
export function feedEngine(options: {
  kvTokens: number;
  seed: number;
  limit: { readonly fixed: number } | { readonly start: number };
}): Fed {
  const simulated = virtualEngine({ ...engine, kvBlocks: Math.floor(options.kvTokens / scale / engine.blockSize) });
  const length = answerLengths(options.seed);
  const follows = "start" in options.limit;
  const limit = "start" in options.limit ? options.limit.start : options.limit.fixed;
  let state: LimiterState = { ...startLimiter(null, 1), limit };
  let inFlight = 0;
  let begun = 0;
  let ended = 0;
  let looks = 0;

  function fill(): void {
    while (inFlight < state.limit) beginRow();
  }

  function beginRow(): void {
    inFlight += 1;
    begun += 1;
    // no two rows have a token in common
    const first = begun * 100_000;
    const promptIds = Array.from({ length: promptTokens }, (_, i) => first + i);
    const answerIds = Array.from({ length: length() }, (_, i) => first + promptTokens + i);
    simulated.submit({ promptIds, cacheSalt: null, generate: () => answerIds }, () => {
      const read = { promptIds: [...promptIds, ...answerIds], cacheSalt: null, generate: () => [first - 1] };
      simulated.submit(read, () => {
        inFlight -= 1;
        ended += 1;
        fill();
      });
    });
  }

  function read(): EngineMetrics {
    return readMetrics(simulated.metrics()) ?? fail();
  }

  function look(): void {
    looks += 1;
    simulated.goTo(looks * lookMs);
    if (follows) state = nextLimit(state, read(), inFlight);
    fill();
  }

  fill();
  while (looks < warmUpLooks || inFlight > state.limit) look();
  const from = { ...read(), ended };
  for (const end = looks + steadyLooks; looks < end; ) look();
  const to = { ...read(), ended };
  return {
    tokensPerSecond: (scale * (to.generationTokens - from.generationTokens) * 1_000) / (steadyLooks * lookMs),
    preemptions: (to.preemptions - from.preemptions) / (to.ended - from.ended),
  };
}

function fail(): never {
  throw new Error("the engine tells no metrics");
}

/** Lognormal, cut at the token budget. The same seed, the same lengths. */
function answerLengths(seed: number): () => number {
  const { mean, most, sigma } = answerTokens;
  const mu = Math.log(mean) - sigma ** 2 / 2;
  const uniform = mulberry32(seed);
  return () => {
    const normal = Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    return Math.max(1, Math.min(most, Math.round(Math.exp(mu + sigma * normal))));
  };
}

function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
