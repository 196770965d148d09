import { z } from "zod";
import type { Completion, EngineFailure, PositionLogprobs } from "./completion.ts";
import type { ChatRequest, ReadRequest } from "./engine-request.ts";
import type { Profile } from "./profile.ts";
import { retryAfterMs } from "./retry-after.ts";

/**
 * vLLM's HTTP shapes, as a real 0.32 answered them: requests out of ours, completions and failures out of its answers.
 * Pure. Only the fields that are used are looked at, and of the log-probabilities only the ends: a 16,000-token answer
 * holds 48,000 entries.
 */

/**
 * Body of a row's first request: POST /v1/chat/completions, or /v1/completions where it brings its own text. Every
 * sampling parameter is sent, since a server fills gaps from the checkpoint's generation_config. Never
 * include_reasoning: false, which removes the log-probabilities under a reasoning parser.
 */
export function chatBody(request: ChatRequest): { [field: string]: unknown } {
  const { text, topLogprobs, logprobTokenIds } = request;
  const told = logprobTokenIds === null ? topLogprobs : 0;
  return {
    model: request.model,
    ...(text === null ? { messages: request.messages } : { prompt: text }),
    temperature: request.temperature,
    top_p: request.topP,
    max_tokens: request.maxTokens,
    ...(request.seed === null ? {} : { seed: request.seed }),
    ...(told === null ? {} : text === null ? { logprobs: true, top_logprobs: told } : { logprobs: told }),
    ...(request.fields === "openai" ? {} : vllmFields(request)),
  };
}

function vllmFields(request: ChatRequest): { [field: string]: unknown } {
  const { text, logprobTokenIds, templateKwargs } = request;
  return {
    top_k: request.topK,
    min_p: request.minP,
    repetition_penalty: request.repetitionPenalty,
    return_token_ids: true,
    ...(logprobTokenIds === null ? {} : { logprob_token_ids: logprobTokenIds }),
    // keyed by decoded text otherwise, where two ids may collide
    ...(logprobTokenIds === null || text === null ? {} : { return_tokens_as_token_ids: true }),
    // the profile's text brings its own BOS
    ...(text === null ? {} : { add_special_tokens: false }),
    ...(text !== null || Object.keys(templateKwargs).length === 0 ? {} : { chat_template_kwargs: templateKwargs }),
  };
}

/** Whether OpenAI's fields alone say this sampling: what they lack must be off. */
export function canSayOpenai(sampling: Profile["sampling"]): boolean {
  return sampling.top_k === -1 && sampling.min_p === 0 && sampling.repetition_penalty === 1;
}

/**
 * Body of POST /v1/completions for the second step. return_tokens_as_token_ids, since the answer's map is keyed by
 * decoded text otherwise, where two ids may collide. Priority -1 helps where the policy is on and is ignored elsewhere.
 */
export function readBody(request: ReadRequest): { [field: string]: unknown } {
  return {
    model: request.model,
    prompt: request.promptTokenIds,
    max_tokens: 1,
    temperature: 0,
    logprobs: 0,
    logprob_token_ids: request.logprobTokenIds,
    return_tokens_as_token_ids: true,
    return_token_ids: true,
    priority: -1,
  };
}

const usageSchema = z.object({
  prompt_tokens: z.number(),
  completion_tokens: z.number().optional(),
  prompt_tokens_details: z.object({ cached_tokens: z.number().nullish() }).nullish(),
});

const chatSchema = z.object({
  choices: z
    .array(
      z.object({
        // reasoning_content: what llama.cpp, SGLang and older vLLM call it
        message: z.object({
          content: z.string().nullish(),
          reasoning: z.string().nullish(),
          reasoning_content: z.string().nullish(),
        }),
        logprobs: z.object({ content: z.array(z.unknown()).nullish() }).nullish(),
        finish_reason: z.string().nullish(),
        token_ids: z.array(z.number()).nullish(),
      }),
    )
    .min(1),
  prompt_token_ids: z.array(z.number()).nullish(),
  usage: usageSchema,
});

/** Log-probability entries kept from the end; the verdict is among the last five. */
const keptEntries = 8;

/**
 * A completion from the body of a chat answer. `askedIds` are the ids of logprob_token_ids: the answer lists the
 * sampled token first and then these, in this order, without their ids. `skippedEntries` of the log-probabilities were
 * cut out in front of those in the body. Throws Error saying what is wrong.
 */
export function completionFromChat(
  body: unknown,
  latencyMs: number,
  askedIds: readonly number[] | null = null,
  skippedEntries = 0,
): Completion {
  const parsed = chatSchema.safeParse(body);
  if (!parsed.success)
    throw new Error(`not a chat completion: ${z.prettifyError(parsed.error).replace(/\s*\n\s*/g, " ")}`);
  const choice = parsed.data.choices[0];
  if (choice === undefined) throw new Error("not a chat completion: no choice");
  const tokenIds = choice.token_ids ?? null;
  const entries = choice.logprobs?.content ?? null;
  const end = entries === null ? 0 : skippedEntries + entries.length;
  const first = Math.max(skippedEntries, end - keptEntries);
  return {
    reasoning: choice.message.reasoning ?? choice.message.reasoning_content ?? null,
    content: choice.message.content ?? "",
    finishReason: choice.finish_reason ?? null,
    tokenIds,
    promptTokenIds: parsed.data.prompt_token_ids ?? null,
    logprobs:
      entries === null
        ? null
        : entries
            .slice(first - skippedEntries)
            .map((entry, i) => chatPosition(entry, tokenIds?.[first + i] ?? null, askedIds)),
    logprobsEnd: end,
    usage: usageOf(parsed.data.usage),
    latencyMs,
  };
}

const tokenSchema = z.object({ token: z.string(), logprob: z.number(), id: z.int().nullish() });
const entrySchema = tokenSchema.extend({ top_logprobs: z.array(tokenSchema).default([]) });

function chatPosition(entry: unknown, sampledId: number | null, askedIds: readonly number[] | null): PositionLogprobs {
  const parsed = entrySchema.safeParse(entry);
  if (!parsed.success) throw new Error("not a chat completion: a log-probability entry has another shape");
  const { token, logprob, id, top_logprobs } = parsed.data;
  const exact = askedIds !== null && isExactList(top_logprobs.length, askedIds, sampledId);
  return {
    sampled: { id: sampledId ?? id ?? idOfText(token), text: token, logprob },
    told: top_logprobs.map(({ token: text, id: ownId, logprob: value }, i) => ({
      id: exact ? askedIdAt(i, top_logprobs.length, askedIds, sampledId) : (ownId ?? idOfText(text)),
      text,
      logprob: value,
    })),
  };
}

/** The sampled token stands first and is not repeated when it is one of the asked ids. */
function isExactList(length: number, askedIds: readonly number[], sampledId: number | null): boolean {
  const others = sampledId === null ? askedIds.length : askedIds.filter((id) => id !== sampledId).length;
  return length === others + 1;
}

function askedIdAt(i: number, length: number, askedIds: readonly number[], sampledId: number | null): number | null {
  if (i === 0) return sampledId;
  const others = length === askedIds.length + 1 ? askedIds : askedIds.filter((id) => id !== sampledId);
  return others[i - 1] ?? null;
}

/** `token_id:7414` where the server was asked to print ids; else the text alone is known. */
function idOfText(token: string): number | null {
  const match = /^token_id:(\d+)$/.exec(token);
  return match === null ? null : Number(match[1]);
}

const textSchema = z.object({
  choices: z
    .array(
      z.object({
        text: z.string().nullish(),
        finish_reason: z.string().nullish(),
        token_ids: z.array(z.number()).nullish(),
        prompt_token_ids: z.array(z.number()).nullish(),
        logprobs: z
          .union([
            z.object({
              tokens: z.array(z.unknown()),
              token_logprobs: z.array(z.unknown()),
              top_logprobs: z.array(z.unknown()).nullish(),
            }),
            // llama.cpp answers here as on chat
            z.object({ content: z.array(z.unknown()) }),
          ])
          .nullish(),
      }),
    )
    .min(1),
  usage: usageSchema,
});

/**
 * A completion from the body of a /v1/completions answer: of one token on exact ids, or of a whole answer to a text.
 * Throws Error saying what is wrong.
 */
export function completionFromText(body: unknown, latencyMs: number): Completion {
  const parsed = textSchema.safeParse(body);
  if (!parsed.success) throw new Error(`not a completion: ${z.prettifyError(parsed.error).replace(/\s*\n\s*/g, " ")}`);
  const choice = parsed.data.choices[0];
  const tokenIds = choice?.token_ids ?? null;
  const told = choice?.logprobs ?? null;
  const end = told === null ? 0 : "content" in told ? told.content.length : told.tokens.length;
  const first = Math.max(0, end - keptEntries);
  const positions = Array.from({ length: end - first }, (_, i): PositionLogprobs | null => {
    const at = first + i;
    const id = tokenIds?.[at] ?? null;
    if (told === null) return null;
    return "content" in told ? chatPosition(told.content[at], id, null) : textPosition(told, at, id);
  });
  const isTold = end > 0 && positions.every((position) => position !== null);
  return {
    reasoning: null,
    content: choice?.text ?? "",
    finishReason: choice?.finish_reason ?? null,
    tokenIds,
    promptTokenIds: choice?.prompt_token_ids ?? null,
    logprobs: isTold ? positions : null,
    logprobsEnd: isTold ? end : 0,
    usage: usageOf(parsed.data.usage),
    latencyMs,
  };
}

const textPositionSchema = z.object({
  token: z.string(),
  /** null for a prompt's first token */
  logprob: z.number().nullable(),
  top: z.record(z.string(), z.number()).nullish(),
});

function textPosition(
  told: {
    readonly tokens: readonly unknown[];
    readonly token_logprobs: readonly unknown[];
    readonly top_logprobs?: readonly unknown[] | null | undefined;
  },
  at: number,
  sampledId: number | null,
): PositionLogprobs | null {
  const parsed = textPositionSchema.safeParse({
    token: told.tokens[at],
    logprob: told.token_logprobs[at],
    top: told.top_logprobs?.[at],
  });
  if (!parsed.success) throw new Error("not a completion: a log-probability has another shape");
  const { token, logprob, top } = parsed.data;
  if (logprob === null) return null;
  return {
    sampled: { id: sampledId ?? idOfText(token), text: token, logprob },
    told: Object.entries(top ?? {}).map(([text, value]) => ({ id: idOfText(text), text, logprob: value })),
  };
}

function usageOf(usage: z.infer<typeof usageSchema>): Completion["usage"] {
  return {
    promptTokens: usage.prompt_tokens,
    completionTokens: usage.completion_tokens ?? 0,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? null,
  };
}

const errorSchema = z.object({
  error: z.union([z.string(), z.object({ message: z.string().nullish(), param: z.string().nullish() })]),
});

/** The engine's own words may quote what it was sent: enough to act on, not enough to leak a prompt. */
const keptMessageChars = 300;

/**
 * What an HTTP status other than 200 means for the row, the chunk and the engine (conformance, 05 section 2.4). `nowMs`
 * is epoch time, for a Retry-After that names a date.
 */
export function failureFromHttp(
  status: number,
  body: unknown,
  retryAfter: string | null,
  nowMs: number,
): EngineFailure {
  const parsed = errorSchema.safeParse(body);
  const error = parsed.success ? parsed.data.error : null;
  const message = (typeof error === "string" ? error : error?.message) ?? `HTTP ${status}`;
  const param = typeof error === "string" ? null : (error?.param ?? null);
  return {
    kind: kindOf(status, message, param),
    status,
    // toWellFormed: the cut may fall between the two halves of one character, which no shard would take
    message: withoutValues(message).slice(0, keptMessageChars).toWellFormed(),
    retryAfterMs: retryAfterMs(retryAfter, nowMs),
  };
}

/** vLLM ends in "(parameter=x, value=…)", pydantic in "'input': …": both repeat what was sent, which may be a prompt. */
function withoutValues(message: string): string {
  return message.replace(/, value=[\s\S]*$/, ")").replace(/'input': [\s\S]*$/, "");
}

/** What vLLM says with a 500 when its engine died, or while it shuts down: nothing of it is the row's fault. */
const goneWords = /EngineCore|EngineDead|after shutdown/i;

/** What gateways say that reach no engine, or have no patience with it; 520 to 524 are Cloudflare's. */
const noEngine = new Set([502, 504, 520, 521, 522, 523, 524]);

function kindOf(status: number, message: string, param: string | null): EngineFailure["kind"] {
  if (status === 400 || status === 422) {
    const tooLong =
      param === "input_tokens" || param === "max_tokens" || /maximum context length|max_model_len/i.test(message);
    return tooLong ? "too_long" : "rejected";
  }
  if (status === 404) return "wrong_model";
  if (status === 401 || status === 403) return "denied";
  if (status === 429 || status === 503) return "busy";
  if (noEngine.has(status) || (status === 500 && goneWords.test(message))) return "lost";
  if (status >= 500) return "server_error";
  return "rejected";
}
