import type { EngineLoop, RowReport } from "./engine-loop.ts";
import { createHistogram, type Histogram, oneTwoFive, pythonNumber } from "./histogram.ts";
import type { KvCache } from "./kv-cache.ts";
import type { ResolvedOptions } from "./options.ts";

export interface Metrics {
  finished(reason: "stop" | "length" | "abort", report: RowReport, maxTokens: number): void;
  answered(handler: string, method: string, status: number): void;
  /** The page of GET /metrics: names and labels as a real vLLM 0.32 printed them (conformance). */
  render(loop: EngineLoop, kv: KvCache): string;
}

const secondBounds = {
  e2e: [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680],
  first: [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
  ],
  token: [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80],
};

/** `startedAt` in seconds since 1970: the engine's birth, which tells a restart. */
export function createMetrics(options: ResolvedOptions, startedAt: number): Metrics {
  const finished = { stop: 0, length: 0, abort: 0, error: 0, repetition: 0 };
  const requests = new Map<string, number>();
  const tokenBounds = oneTwoFive(options.maxModelLen);
  const histograms = {
    request_prompt_tokens: createHistogram(tokenBounds),
    request_generation_tokens: createHistogram(tokenBounds),
    request_max_num_generation_tokens: createHistogram(tokenBounds),
    request_params_n: createHistogram([1, 2, 5, 10, 20]),
    request_params_max_tokens: createHistogram(tokenBounds),
    time_to_first_token_seconds: createHistogram(secondBounds.first),
    inter_token_latency_seconds: createHistogram(secondBounds.token),
    request_time_per_output_token_seconds: createHistogram(secondBounds.token),
    e2e_request_latency_seconds: createHistogram(secondBounds.e2e),
    request_queue_time_seconds: createHistogram(secondBounds.e2e),
    request_inference_time_seconds: createHistogram(secondBounds.e2e),
    request_prefill_time_seconds: createHistogram(secondBounds.e2e),
    request_decode_time_seconds: createHistogram(secondBounds.e2e),
    request_num_preemptions: createHistogram([0, 1, 2, 5, 10]),
    request_prefill_kv_computed_tokens: createHistogram(tokenBounds),
  } satisfies { [name: string]: Histogram };

  return {
    finished(reason, report, maxTokens) {
      finished[reason] += 1;
      const { queueMs, prefillMs, decodeMs, generatedTokens } = report;
      const perToken = generatedTokens > 0 ? decodeMs / generatedTokens / 1_000 : 0;
      histograms.request_prompt_tokens.observe(report.promptTokens);
      histograms.request_generation_tokens.observe(generatedTokens);
      histograms.request_max_num_generation_tokens.observe(generatedTokens);
      histograms.request_params_n.observe(1);
      histograms.request_params_max_tokens.observe(maxTokens);
      histograms.time_to_first_token_seconds.observe((queueMs + prefillMs) / 1_000 + perToken);
      // one observation a row, not one a token: the simulator has no steps
      histograms.inter_token_latency_seconds.observe(perToken);
      histograms.request_time_per_output_token_seconds.observe(perToken);
      histograms.e2e_request_latency_seconds.observe((queueMs + prefillMs + decodeMs) / 1_000);
      histograms.request_queue_time_seconds.observe(queueMs / 1_000);
      histograms.request_inference_time_seconds.observe((prefillMs + decodeMs) / 1_000);
      histograms.request_prefill_time_seconds.observe(prefillMs / 1_000);
      histograms.request_decode_time_seconds.observe(decodeMs / 1_000);
      histograms.request_num_preemptions.observe(report.preemptions);
      histograms.request_prefill_kv_computed_tokens.observe(report.promptTokens - report.cachedTokens);
    },
    answered(handler, method, status) {
      const labels = `handler="${handler}",method="${method}",status="${Math.floor(status / 100)}xx"`;
      requests.set(labels, (requests.get(labels) ?? 0) + 1);
    },
    render(loop, kv) {
      const model = [`engine="0"`, `model_name="${options.model}"`];
      const lines = [
        ...family("process_start_time_seconds", "gauge", [["", startedAt]]),
        ...engineFamilies(loop, kv, finished, options.model),
        ...Object.entries(histograms).flatMap(([name, histogram]) => histogram.render(`vllm:${name}`, model)),
        ...family("vllm:cache_config_info", "gauge", [[cacheConfigLabels(options), 1]]),
        ...family("http_requests_total", "counter", [...requests]),
      ];
      return `${lines.join("\n")}\n`;
    },
  };
}

type Samples = readonly (readonly [labels: string, value: number])[];

function family(name: string, type: "gauge" | "counter", samples: Samples): string[] {
  return [
    `# TYPE ${name} ${type}`,
    ...samples.map(([labels, value]) => `${name}${labels === "" ? "" : `{${labels}}`} ${pythonNumber(value)}`),
  ];
}

function engineFamilies(
  { running, waiting, counters }: EngineLoop,
  { usedBlocks, totalBlocks }: KvCache,
  finished: { readonly [reason: string]: number },
  model: string,
): string[] {
  const plain = (value: number): Samples => [[`engine="0",model_name="${model}"`, value]];
  const by = (label: string, values: { readonly [value: string]: number }): Samples =>
    Object.entries(values).map(([value, count]) => [
      [`engine="0"`, `model_name="${model}"`, `${label}="${value}"`].toSorted().join(","),
      count,
    ]);
  const { promptTokens, prefixHits, prefixQueries, generationTokens, preemptions } = counters;
  return [
    ...family("vllm:num_requests_running", "gauge", plain(running)),
    ...family("vllm:num_requests_waiting", "gauge", plain(waiting)),
    ...family("vllm:num_requests_waiting_by_reason", "gauge", by("reason", { capacity: waiting, deferred: 0 })),
    ...family(
      "vllm:engine_sleep_state",
      "gauge",
      by("sleep_state", { awake: 1, weights_offloaded: 0, discard_all: 0 }),
    ),
    ...family("vllm:kv_cache_usage_perc", "gauge", plain(usedBlocks / totalBlocks)),
    ...family("vllm:prefix_cache_queries_total", "counter", plain(prefixQueries)),
    ...family("vllm:prefix_cache_hits_total", "counter", plain(prefixHits)),
    ...family("vllm:external_prefix_cache_queries_total", "counter", plain(0)),
    ...family("vllm:external_prefix_cache_hits_total", "counter", plain(0)),
    ...family("vllm:num_preemptions_total", "counter", plain(preemptions)),
    ...family("vllm:prompt_tokens_total", "counter", plain(promptTokens)),
    ...family(
      "vllm:prompt_tokens_by_source_total",
      "counter",
      by("source", { local_compute: promptTokens - prefixHits, local_cache_hit: prefixHits, external_kv_transfer: 0 }),
    ),
    ...family("vllm:prompt_tokens_cached_total", "counter", plain(prefixHits)),
    ...family("vllm:generation_tokens_total", "counter", plain(generationTokens)),
    ...family("vllm:request_success_total", "counter", by("finished_reason", finished)),
    ...family(
      "vllm:admission_rejections_total",
      "counter",
      ["max_num_queued_reqs", "max_num_queued_tokens"].map((reason) => [`model_name="${model}",reason="${reason}"`, 0]),
    ),
  ];
}

/** The labels that say something about the simulated cache; a real one prints thirty more. */
function cacheConfigLabels({ blockSize, kvBlocks, maxModelLen }: ResolvedOptions): string {
  const size = kvBlocks * blockSize;
  const labels: { [label: string]: string } = {
    block_size: String(blockSize),
    cache_dtype: "auto",
    effective_attention_block_size: String(blockSize),
    enable_prefix_caching: "True",
    engine: "0",
    kv_cache_max_concurrency: pythonNumber(size / maxModelLen),
    kv_cache_size_tokens: String(size),
    num_gpu_blocks: String(kvBlocks),
    num_gpu_blocks_override: "None",
    prefix_caching_hash_algo: "sha256",
    user_specified_block_size: "False",
  };
  return Object.entries(labels)
    .map(([label, value]) => `${label}="${value}"`)
    .join(",");
}
