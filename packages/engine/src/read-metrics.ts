/** What an engine says about itself on GET /metrics, as far as we act on it. */
export interface EngineMetrics {
  readonly running: number;
  readonly waiting: number;
  /** share of the KV cache in use, 0 to 1 */
  readonly kvUsage: number;
  /** since the process began */
  readonly preemptions: number;
  readonly generationTokens: number;
  /** tokens that fit into the KV cache; null where it is not told */
  readonly kvTokens: number | null;
  /** tokens of one KV block; null where it is not told */
  readonly blockSize: number | null;
  /** epoch seconds: another value is another process */
  readonly startedAt: number | null;
}

/**
 * Reads vLLM's Prometheus text. null where the counters of one engine are not there, or where several ranks stand
 * behind the URL: their counters must not be summed, since one full cache says nothing about another.
 */
export function readMetrics(text: string): EngineMetrics | null {
  const values = new Map<string, number>();
  const engines = new Set<string>();
  let kvTokens: number | null = null;
  let blockSize: number | null = null;
  for (const line of text.split("\n")) {
    const found = /^([a-z_:]+)(?:\{(.*)\})? (\S+)/.exec(line);
    if (found === null) continue;
    const [, name = "", labels = "", value = ""] = found;
    if (name === "vllm:num_requests_running") engines.add(labels);
    if (name === "vllm:cache_config_info") {
      kvTokens = kvTokensOf(labels);
      blockSize = numberOf(labels, "block_size");
    }
    if (!values.has(name)) values.set(name, Number(value));
  }
  const [running, waiting, kvUsage, preemptions, generationTokens] = [
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:num_preemptions_total",
    "vllm:generation_tokens_total",
  ].map((name) => values.get(name));
  if (
    engines.size !== 1 ||
    running === undefined ||
    waiting === undefined ||
    kvUsage === undefined ||
    preemptions === undefined ||
    generationTokens === undefined
  )
    return null;
  const startedAt = processStart(text);
  return { running, waiting, kvUsage, preemptions, generationTokens, kvTokens, blockSize, startedAt };
}

/** When the process began, in epoch seconds: another value is another process. Also where readMetrics gives up. */
export function processStart(text: string): number | null {
  const told = Number(/^process_start_time_seconds (\S+)/m.exec(text)?.[1]);
  return Number.isFinite(told) ? told : null;
}

function kvTokensOf(labels: string): number | null {
  const [blocks, size] = [numberOf(labels, "num_gpu_blocks"), numberOf(labels, "block_size")];
  return numberOf(labels, "kv_cache_size_tokens") ?? (blocks === null || size === null ? null : blocks * size);
}

function numberOf(labels: string, name: string): number | null {
  const value = Number(new RegExp(`\\b${name}="([^"]*)"`).exec(labels)?.[1]);
  return Number.isFinite(value) ? value : null;
}
