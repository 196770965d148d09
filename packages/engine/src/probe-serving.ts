import type { EngineCheck } from "./engine-check.ts";
import type { EngineClient } from "./engine-client.ts";
import { type EngineMetrics, readMetrics } from "./read-metrics.ts";

/** Facts about how an engine is served that cost speed or certainty, but make no reward wrong. */
export interface ServingFacts {
  readonly checks: readonly EngineCheck[];
  /** data-parallel ranks behind the URL; 1 where the server knows no ranks */
  readonly ranks: number;
  /** tokens of one KV block; null where it is not told */
  readonly blockSize: number | null;
}

const lookLimitMs = 10_000;
const tokenLimitMs = 60_000;
/** Looks at the counters of one URL: two replicas behind a balancer show within a few. */
const looks = 4;
/** Long enough that all but its last blocks are cached, whatever the block size of a plain attention model. */
const longPrompt = 1_500;

/** Looks at how the engine is served. Each finding is a line that is fine, with the flag that would make it better. */
export async function probeServing(
  client: EngineClient,
  model: string,
  promptTokenIds: readonly number[] | null,
  readingWords: { reasoningParser: boolean },
): Promise<ServingFacts> {
  const ranks = await countRanks(client, model);
  const { metrics, line } = await lookAtMetrics(client);
  return {
    blockSize: metrics?.blockSize ?? null,
    checks: [
      fact("reasoning parser", readingWords.reasoningParser ? "on: the thinking is in a field of its own" : "off"),
      line,
      promptTokenIds === null
        ? fact("prefix cache", "unknown: token ids are not told")
        : await prefixCacheFact(client, model, promptTokenIds),
      ranks === 1
        ? fact("ranks", "one engine behind the URL")
        : fact("ranks", `${ranks} behind the URL; they share one limit`, "serve each rank on a port of its own"),
    ],
    ranks,
  };
}

function fact(name: string, found: string, next?: string): EngineCheck {
  return { name, ok: true, found, ...(next === undefined ? {} : { next }) };
}

/** A rank that is too high is refused with the range: one request finds how many there are. */
async function countRanks(client: EngineClient, model: string): Promise<number> {
  const { status, body } = await client.ask(
    "/v1/completions",
    { model, prompt: [1], max_tokens: 1, temperature: 0 },
    tokenLimitMs,
    { "x-data-parallel-rank": "99999" },
  );
  const range = /out of range \[0, (\d+)\)/.exec(JSON.stringify(body));
  return status === 400 && range !== null ? Number(range[1]) : 1;
}

/** Another start time, or a counter that went back, between two looks at one URL: a balancer over several replicas. */
async function lookAtMetrics(client: EngineClient): Promise<{ metrics: EngineMetrics | null; line: EngineCheck }> {
  const seen: EngineMetrics[] = [];
  for (let look = 0; look < looks; look += 1) {
    const { status, body } = await client.ask("/metrics", undefined, lookLimitMs);
    const metrics = status === 200 && typeof body === "string" ? readMetrics(body) : null;
    if (metrics === null) {
      const line = fact("metrics", "not told: rows in flight are fixed at 32 unless --in-flight says otherwise");
      return { metrics: null, line };
    }
    seen.push(metrics);
  }
  return { metrics: seen[0] ?? null, line: metricsFact(seen) };
}

function metricsFact(seen: readonly EngineMetrics[]): EngineCheck {
  const balanced = seen.some(
    (metrics, i) =>
      i > 0 &&
      (metrics.startedAt !== seen[i - 1]?.startedAt || metrics.generationTokens < (seen[i - 1]?.generationTokens ?? 0)),
  );
  if (balanced) {
    return fact(
      "metrics",
      "several replicas behind one URL: this probe saw one of them",
      "name each replica's own URL, and --in-flight N while it is behind the balancer",
    );
  }
  const kv = seen[0]?.kvTokens ?? null;
  return fact("metrics", kv === null ? "told" : `told; the KV cache holds ${kv.toLocaleString("en-US")} tokens`);
}

/**
 * Asks one long prompt twice. `enable_prefix_caching` says yes for hybrid models that never hit (vllm#51198), so only
 * cached tokens that were counted are believed.
 */
async function prefixCacheFact(
  client: EngineClient,
  model: string,
  promptTokenIds: readonly number[],
): Promise<EngineCheck> {
  const prompt = Array.from({ length: longPrompt }, (_, i) => promptTokenIds[i % promptTokenIds.length] ?? 1);
  const ask = (): ReturnType<EngineClient["ask"]> =>
    client.ask("/v1/completions", { model, prompt, max_tokens: 1, temperature: 0 }, tokenLimitMs);
  await ask();
  const { status, body } = await ask();
  const usage = (body as { usage?: { prompt_tokens_details?: { cached_tokens?: number | null } | null } } | null)
    ?.usage;
  const cached = usage?.prompt_tokens_details?.cached_tokens;
  if (status !== 200) return fact("prefix cache", `unknown: HTTP ${status} for a prompt of ${longPrompt} tokens`);
  if (cached == null) {
    return fact(
      "prefix cache",
      "unknown: cached tokens are not told",
      "start vLLM with --enable-prompt-tokens-details",
    );
  }
  if (cached * 2 < longPrompt) {
    return fact(
      "prefix cache",
      `${cached} of ${longPrompt} tokens of a repeated prompt: second requests compute the row again`,
      "start vLLM with --enable-prefix-caching, or --read ids",
    );
  }
  return fact("prefix cache", `real: ${cached} of ${longPrompt} tokens of a repeated prompt`);
}
