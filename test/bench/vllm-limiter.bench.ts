import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { engineAgentOptions, openEngines } from "@assay/engine/openai";
import { Agent, fetch } from "undici";
import { freePort } from "../chaos/processes/free-port.ts";

/**
 * The limiter on a real vLLM (CPU build) whose KV cache holds about eight rows (--num-gpu-blocks-override), beside five
 * fixed settings; and what two steps cost when the cache overflows. Ratios of one run: look at the load average before
 * believing them. Installs vLLM as `npm run test:vllm` does. Half an hour on two cores.
 * `npm run bench test/bench/vllm-limiter.bench.ts [rows] [tokens] [URL of a server that runs already]`
 */

const rows = Number(process.argv[2] ?? 48);
/** on average: half to one and a half times as many, so that rows do not begin and end together */
const answerTokens = Number(process.argv[3] ?? 300);
const runs = process.argv[4];
/** `ask` makes prompts of about 720 tokens; a block of vLLM on a CPU is 128 */
const blocks = Math.ceil((8 * (720 + answerTokens)) / 128);
const fixed = [2, 4, 6, 8, 16];
const lookEveryMs = 1_000;
/**
 * The judge of test/conformance has one layer: it computes a prompt again for next to nothing, and a step costs it the
 * same for two rows and for sixteen. In this shape, with weights by lot, eight rows are written 5 times as fast as one
 * and a prompt is read 7 times as fast as eight answers are written: as on a GPU, more rows pay until the cache is full.
 */
const shape = {
  hidden_size: 512,
  intermediate_size: 1_536,
  num_hidden_layers: 8,
  num_attention_heads: 8,
  num_key_value_heads: 2,
  head_dim: 64,
  tie_word_embeddings: true,
};
const verdictTokens = { end: 151_668, tail: [151_668, 271, 19_357, 11_213, 29_564, 25], ids: [7_414, 2_308] };

interface Measured {
  readonly name: string;
  /** that the engine generated, and rows it preempted, while every slot was in use */
  readonly tokensPerSecond: number;
  readonly preemptionsPerRow: number;
  readonly cachedShare: number | null;
}

/** The server closes connections that rest for 5 s; the product's own agent gives them up sooner. */
const agent = new Agent(engineAgentOptions());
const scratch = mkdtempSync(join(tmpdir(), "assay-bench-"));
const started: { server?: ChildProcess } = {};
/** no prompt twice, or the prefix cache would read it */
const salt = Date.now() % 100_000;
let asked = 0;
try {
  const url = runs ?? (await startServer());
  await ask(url, "two-step", 0);
  console.log(
    `${rows} rows of ${answerTokens / 2} to ${1.5 * answerTokens} tokens, a cache of ${blocks} blocks, load average ${loadavg()[0]?.toFixed(1)}`,
  );
  const settings: Measured[] = [];
  for (const inFlight of fixed) settings.push(await measure(url, `fixed ${inFlight}`, inFlight, "two-step"));
  const limiter = await measure(url, "limiter", null, "two-step");
  const best = settings.toSorted((a, b) => b.tokensPerSecond - a.tokensPerSecond)[0];
  console.log(
    `limiter ${ratio(limiter, best)} of the best fixed (${best?.name}; goal 0.95); load average ${loadavg()[0]?.toFixed(1)}`,
  );
  for (const [i, two] of settings.entries()) {
    const inFlight = fixed[i] ?? 0;
    if (inFlight !== 6 && inFlight !== 16) continue;
    const ids = await measure(url, `${inFlight} in flight, exact ids`, inFlight, "ids");
    console.log(`${inFlight} in flight: two steps ${ratio(two, ids)} of exact ids`);
  }
} finally {
  await agent.destroy();
  if (started.server?.pid !== undefined) {
    try {
      process.kill(-started.server.pid, "SIGKILL");
    } catch {
      // it has ended already
    }
  }
  rmSync(scratch, { recursive: true, force: true });
}

function ratio(one: Measured, other: Measured | undefined): string {
  return (one.tokensPerSecond / (other?.tokensPerSecond ?? Number.NaN)).toFixed(2);
}

/**
 * As many rows in flight as the product's pool gives slots. Measured from when a third of the rows have ended, so that
 * the limiter has settled, until the last one gets its slot, so that no setting is measured half empty.
 */
async function measure(url: string, name: string, inFlight: number | null, way: "two-step" | "ids"): Promise<Measured> {
  const engines = openEngines({ urls: [url], agent, apiKey: null, inFlight, lookEveryMs, onWarning: console.error });
  // the limit is blind until the first look
  if (inFlight === null) while (engines.pool.capacity === 32) await sleep(50);
  const shares: number[] = [];
  let given = 0;
  let ended = 0;
  let from = { at: 0, rows: 0, tokens: 0, preempted: 0 };
  let to = from;
  const count = async () => ({ at: performance.now(), rows: ended, ...(await counters(url)) });
  await Promise.all(
    Array.from({ length: rows }, async (_, row) => {
      const slot = await engines.pool.acquire("bench", new AbortController().signal);
      given += 1;
      if (given === rows) to = await count();
      const share = await ask(url, way, row).finally(() => slot.release());
      ended += 1;
      if (ended === Math.ceil(rows / 3)) from = await count();
      if (share !== null) shares.push(share);
    }),
  );
  const measured = {
    name,
    tokensPerSecond: (1_000 * (to.tokens - from.tokens)) / (to.at - from.at),
    preemptionsPerRow: (to.preempted - from.preempted) / (to.rows - from.rows),
    cachedShare: shares.length === 0 ? null : shares.reduce((sum, share) => sum + share, 0) / shares.length,
  };
  const limit = inFlight === null ? `, limit ${engines.pool.capacity} at the end` : "";
  console.log(
    `  ${name.padEnd(26)} ${measured.tokensPerSecond.toFixed(1)} tokens/s   ${measured.preemptionsPerRow.toFixed(2)} preemptions a row   cached share ${measured.cachedShare?.toFixed(2) ?? "-"}${limit}`,
  );
  await engines.close();
  return measured;
}

/** One row, as long in every setting; of two steps, the cached share of the second request. */
async function ask(url: string, way: "two-step" | "ids", row: number): Promise<number | null> {
  asked += 1;
  const tokens = Math.round(answerTokens * (0.5 + ((0.618_034 * row) % 1)));
  const messages = [
    { role: "user", content: `question ${salt + asked} `.repeat(40) },
    { role: "assistant", content: `a${salt + asked} `.repeat(100) },
    { role: "principle", content: "p" },
  ];
  const chat = await post(url, "/v1/chat/completions", {
    messages,
    max_tokens: tokens,
    min_tokens: tokens,
    logit_bias: { [verdictTokens.end]: -100 },
    ...(way === "ids"
      ? { logprobs: true, top_logprobs: 0, logprob_token_ids: verdictTokens.ids }
      : { return_token_ids: true }),
  });
  if (way === "ids") return null;
  const prompt = [...(chat.prompt_token_ids ?? []), ...(chat.choices[0]?.token_ids ?? []), ...verdictTokens.tail];
  const read = await post(url, "/v1/completions", {
    prompt,
    max_tokens: 1,
    logprobs: 0,
    logprob_token_ids: verdictTokens.ids,
  });
  return (read.usage.prompt_tokens_details?.cached_tokens ?? 0) / prompt.length;
}

interface Answer {
  readonly prompt_token_ids?: number[];
  readonly choices: { readonly token_ids?: number[] }[];
  readonly usage: { readonly prompt_tokens_details?: { readonly cached_tokens: number } | null };
}

async function post(url: string, path: string, fields: object): Promise<Answer> {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "judge", temperature: 0, ...fields }),
    dispatcher: agent,
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${(await response.text()).slice(0, 300)}`);
  return (await response.json()) as Answer;
}

async function counters(url: string): Promise<{ tokens: number; preempted: number }> {
  const page = await (await fetch(`${url}/metrics`)).text();
  const read = (name: string): number => Number(new RegExp(`^vllm:${name}\\{.*\\} (\\S+)$`, "m").exec(page)?.[1]);
  return { tokens: read("generation_tokens_total"), preempted: read("num_preemptions_total") };
}

async function startServer(): Promise<string> {
  const folder = execFileSync("sh", ["test/conformance/set-up.sh"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();
  const port = await freePort();
  // CPUs without AMX compute bfloat16 six times slower than float32
  const flags = ["--load-format", "dummy", "--max-model-len", "2048", "--dtype", "float32"];
  const log = join(scratch, "vllm.log");
  const server = spawn(
    join(folder, "bin/python"),
    [
      ...[
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        shapeJudge(join(folder, "judge")),
        "--served-model-name",
        "judge",
      ],
      ...["--host", "127.0.0.1", "--port", String(port), ...flags],
      ...["--enable-prompt-tokens-details", "--num-gpu-blocks-override", String(blocks)],
    ],
    {
      // a group of its own: its engine goes with it
      detached: true,
      stdio: ["ignore", openSync(log, "w"), openSync(log, "a")],
      env: {
        ...process.env,
        HF_HUB_OFFLINE: "1",
        VLLM_NO_USAGE_STATS: "1",
        DO_NOT_TRACK: "1",
        VLLM_CPU_KVCACHE_SPACE: "1",
        VLLM_CACHE_ROOT: join(scratch, "cache"),
      },
    },
  );
  started.server = server;
  const url = `http://127.0.0.1:${port}`;
  for (const end = Date.now() + 900_000; Date.now() < end; await sleep(500)) {
    const health = await fetch(`${url}/health`).catch(() => null);
    if (health?.ok === true) return url;
    if (server.exitCode !== null) throw new Error(`vLLM ended: ${execFileSync("tail", ["-n", "20", log])}`);
  }
  throw new Error("vLLM does not come up within 15 minutes");
}

/** The judge's tokenizer and template with `shape`; its folder. */
function shapeJudge(judge: string): string {
  const folder = join(scratch, "judge");
  mkdirSync(folder);
  for (const name of ["tokenizer.json", "tokenizer_config.json", "generation_config.json"]) {
    copyFileSync(join(judge, name), join(folder, name));
  }
  const config = JSON.parse(readFileSync(join(judge, "config.json"), "utf8"));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, ...shape }));
  return folder;
}
