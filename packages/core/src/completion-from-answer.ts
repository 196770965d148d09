import { z } from "zod";
import type { Completion, PositionLogprobs } from "./completion.ts";

/**
 * Completions out of the answers of vLLM's HTTP API, as a real 0.32 gave them. Only the fields that are used are looked
 * at, and of the log-probabilities only the ends: a 16,000-token answer holds 48,000 entries.
 */

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

/** Above 0 by more than rounding it is the logarithm of no probability: logits, or garbage. */
const logprobSchema = z.number().max(0.001);
const tokenSchema = z.object({ token: z.string(), logprob: logprobSchema, id: z.int().nullish() });
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
 * `skippedEntries` of the log-probabilities were left out in front of those in the body. Throws Error saying what is
 * wrong.
 */
export function completionFromText(body: unknown, latencyMs: number, skippedEntries = 0): Completion {
  const parsed = textSchema.safeParse(body);
  if (!parsed.success) throw new Error(`not a completion: ${z.prettifyError(parsed.error).replace(/\s*\n\s*/g, " ")}`);
  const choice = parsed.data.choices[0];
  const tokenIds = choice?.token_ids ?? null;
  const told = choice?.logprobs ?? null;
  const entries = told === null ? 0 : "content" in told ? told.content.length : told.tokens.length;
  const end = skippedEntries + entries;
  const first = Math.max(skippedEntries, end - keptEntries);
  const positions = Array.from({ length: end - first }, (_, i): PositionLogprobs | null => {
    const at = first - skippedEntries + i;
    const id = tokenIds?.[first + i] ?? null;
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
  logprob: logprobSchema.nullable(),
  top: z.record(z.string(), logprobSchema).nullish(),
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
