import { type Completion, completionFromChat, type EngineFailure, failureFromHttp } from "@assay/core";
import type { Engines } from "@assay/engine/openai";

/**
 * What the cases run against: a real vLLM or the simulator, each started twice. `plain` has no settings but its
 * context and bfloat16; `tuned` has --dtype float32, --reasoning-parser qwen3, --enable-prompt-tokens-details, --logprobs-mode processed_logprobs,
 * --api-key, two rows at once and one that waits.
 */
export interface EngineUnderTest {
  readonly url: string;
  readonly apiKey: string | null;
  /** Assay's own client over this engine alone */
  readonly engines: Engines;
  /** Brings it to where it takes no more rows. Returns the way back, which resolves when it is idle again. */
  fill(): Promise<() => Promise<void>>;
  /** SIGTERM, with --shutdown-timeout 1. It answers nothing afterwards. */
  stop(): void;
}

/** Served name and --max-model-len of both. */
export const model = "judge";
export const maxModelLen = 4_096;

/** One thing that Assay relies on. Written once, run against both. */
export interface Case {
  readonly topic:
    | "The template"
    | "Log-probabilities"
    | "Two steps"
    | "Ways of reading"
    | "Modes"
    | "Refusals"
    | "The engine";
  /** what holds, as one line of the table in docs/reference/engines.md */
  readonly holds: string;
  readonly on: "plain" | "tuned";
  /** Rejects where it does not hold. Resolves with what was seen, in words that are the same in every run. */
  run(engine: EngineUnderTest): Promise<string>;
}

/** A row as the template wants it. */
export const row = (response: string, prompt = "What is 1+1?", principle = "correctness") => [
  { role: "user", content: prompt },
  { role: "assistant", content: response },
  { role: "principle", content: principle },
];

/** Forbids </think>: thinks until max_tokens. */
export const endless = { logit_bias: { "151668": -100 }, ignore_eos: true, max_tokens: 3_500 };

export interface Said {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** One request with all that came back. `body` undefined: GET. A text is sent as it is. */
export async function ask(
  { url, apiKey }: Pick<EngineUnderTest, "url" | "apiKey">,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
  signal: AbortSignal | null = null,
): Promise<Said> {
  const key: Record<string, string> = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };
  const response = await fetch(url + path, {
    method: body === undefined ? "GET" : "POST",
    // vLLM closes a connection that rests for 5 s, now and then under the next request
    headers: { "content-type": "application/json", connection: "close", ...key, ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    signal,
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

export interface Entry {
  readonly token: string;
  readonly logprob: number;
  readonly top_logprobs: readonly { readonly token: string; readonly logprob: number }[];
}

/** The fields of an answer that the cases look at, chat and completions in one. */
export interface Answer {
  readonly choices: readonly [
    {
      readonly message: { readonly content: string | null; readonly reasoning: string | null };
      readonly text: string;
      readonly finish_reason: string;
      readonly token_ids: number[] | null;
      readonly logprobs: {
        readonly content: readonly Entry[];
        readonly tokens: readonly string[];
        readonly top_logprobs: readonly Readonly<Record<string, number>>[];
      } | null;
    },
  ];
  readonly prompt_token_ids: number[] | null;
  readonly prompt_text: string | null;
  readonly usage: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details: { readonly cached_tokens: number } | null;
  };
}

export function askChat(
  engine: EngineUnderTest,
  fields: object,
  headers: Record<string, string> = {},
  signal: AbortSignal | null = null,
): Promise<Said> {
  const body = { model, messages: row("1+1=2"), temperature: 0, top_p: 1, top_k: -1, max_tokens: 1_000, ...fields };
  return ask(engine, "/v1/chat/completions", body, headers, signal);
}

export async function chat(engine: EngineUnderTest, fields: object): Promise<Answer> {
  return answerOf(await askChat(engine, fields));
}

/** One more token behind exactly these ids, greedy unless told otherwise. */
export async function complete(engine: EngineUnderTest, prompt: readonly number[], fields: object): Promise<Answer> {
  const body = { model, prompt, max_tokens: 1, temperature: 0, top_p: 1, top_k: -1, logprobs: 0, ...fields };
  return answerOf(await ask(engine, "/v1/completions", body));
}

export function answerOf({ status, body }: Said): Answer {
  if (status !== 200) throw new Error(`expected 200, got ${status}: ${JSON.stringify(body).slice(0, 300)}`);
  return body as Answer;
}

/** What Assay's reading makes of a chat answer. */
export function completionOf(answer: Answer, askedIds: readonly number[] | null = null): Completion {
  return completionFromChat(answer, 0, askedIds);
}

/** What Assay makes of a refusal. */
export function failureOf({ status, headers, body }: Said): EngineFailure {
  return failureFromHttp(status, body, headers.get("retry-after"), Date.now());
}

export async function tokenize(engine: EngineUnderTest, what: object): Promise<number[]> {
  const { status, body } = await ask(engine, "/tokenize", { model, add_special_tokens: false, ...what });
  if (status !== 200) throw new Error(`expected 200, got ${status}: ${JSON.stringify(body)}`);
  return (body as { tokens: number[] }).tokens;
}

/** The sum of a metric over its labels; 0 where it is not there. */
export async function metric(engine: EngineUnderTest, name: string): Promise<number> {
  const page = String((await ask(engine, "/metrics")).body);
  const values = page.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return values.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

/** Asks again until it is so. Rejects when `limitMs` is over. */
export async function until(what: string, isSo: () => Promise<boolean>, limitMs = 60_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`not so within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
