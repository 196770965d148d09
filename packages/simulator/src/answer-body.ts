import type { Generated, Generation } from "./generation.ts";
import type { ResolvedOptions } from "./options.ts";
import { splitReasoning } from "./split-reasoning.ts";
import type { ToldLogprob } from "./tell-logprobs.ts";
import { tokenBytes, tokenText } from "./tokenizer.ts";

/** The same for every answer of one simulated engine; a real one hashes its settings into it. */
const systemFingerprint = "vllm-0.32.0-simulated";

export interface AnswerStamp {
  readonly id: string;
  /** seconds since 1970 */
  readonly created: number;
}

/** The body of POST /v1/chat/completions, field for field as a real vLLM 0.32 answered (conformance). */
export function chatAnswerBody(
  generation: Generation,
  generated: Generated,
  stamp: AnswerStamp,
  options: ResolvedOptions,
) {
  const { answer, told } = generated;
  const { show } = generation;
  const split = options.reasoningParser ? splitReasoning(answer, generation.thinking) : null;
  // with a parser, include_reasoning: false takes more away than the reasoning
  const hides = split !== null && !show.reasoning;
  return {
    id: `chatcmpl-${stamp.id}`,
    object: "chat.completion",
    created: stamp.created,
    model: options.model,
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: split === null ? answer.text : split.content,
          refusal: null,
          annotations: null,
          audio: null,
          function_call: null,
          reasoning: hides ? null : (split?.reasoning ?? null),
        },
        logprobs: told === null || hides ? null : { content: told.map((list) => chatEntry(list, generation)) },
        finish_reason: answer.finishReason,
        stop_reason: answer.stopReason,
        token_ids: show.tokenIds && !hides ? answer.ids : null,
        routed_experts: null,
      },
    ],
    service_tier: null,
    system_fingerprint: systemFingerprint,
    usage: chatUsage(generation, generated, options),
    prompt_logprobs: null,
    prompt_token_ids: show.tokenIds ? generation.promptIds : null,
    prompt_text: show.promptText ? generation.promptText : null,
    kv_transfer_params: null,
    ec_transfer_params: null,
    metrics: null,
  };
}

/** The body of POST /v1/completions. Here the prompt's ids stand in the choice. */
export function completionAnswerBody(
  generation: Generation,
  generated: Generated,
  stamp: AnswerStamp,
  options: ResolvedOptions,
) {
  const { answer, told } = generated;
  const { show } = generation;
  return {
    id: `cmpl-${stamp.id}`,
    object: "text_completion",
    created: stamp.created,
    model: options.model,
    choices: [
      {
        index: 0,
        text: answer.text,
        logprobs: told === null ? null : completionLogprobs(told, generation),
        finish_reason: answer.finishReason,
        stop_reason: answer.stopReason,
        token_ids: show.tokenIds ? answer.ids : null,
        prompt_logprobs: null,
        prompt_token_ids: show.tokenIds ? generation.promptIds : null,
        routed_experts: null,
      },
    ],
    service_tier: null,
    system_fingerprint: systemFingerprint,
    usage: completionUsage(generation, generated, options),
    kv_transfer_params: null,
    ec_transfer_params: null,
    metrics: null,
  };
}

export function completionUsage(generation: Generation, generated: Generated, options: ResolvedOptions) {
  return { ...usageOf(generation, generated, options, false), completion_tokens_details: null };
}

export function chatUsage(generation: Generation, generated: Generated, options: ResolvedOptions) {
  const split = options.reasoningParser ? splitReasoning(generated.answer, generation.thinking) : null;
  return {
    ...usageOf(generation, generated, options, true),
    completion_tokens_details: split === null ? null : { reasoning_tokens: split.tokens },
  };
}

function usageOf(
  { promptIds }: Generation,
  { answer, cachedTokens }: Generated,
  { promptTokensDetails, blockSize }: ResolvedOptions,
  isChat: boolean,
) {
  const filled = Math.floor(promptIds.length / blockSize) * blockSize;
  return {
    prompt_tokens: promptIds.length,
    total_tokens: promptIds.length + answer.ids.length,
    completion_tokens: answer.ids.length,
    prompt_tokens_details: promptTokensDetails
      ? {
          cached_tokens: cachedTokens,
          // completions say null here
          created_cache_tokens: isChat ? filled - cachedTokens : null,
          multimodal_tokens: null,
        }
      : null,
  };
}

/** In chat the sampled token stands apart and, where a list was asked for, again as its first entry. */
export function chatEntry(list: readonly ToldLogprob[], { logprobs, show }: Generation) {
  const [sampled] = list;
  if (sampled === undefined) throw new Error("chatEntry: a position without its sampled token");
  const shown = logprobs === null || logprobs.ids !== null ? list : list.slice(0, logprobs.top);
  return {
    token: nameOf(sampled.id, show.tokensAsIds),
    logprob: sampled.logprob,
    bytes: tokenBytes(sampled.id),
    top_logprobs: shown.map(({ id, logprob }) => ({
      token: nameOf(id, show.tokensAsIds),
      logprob,
      // a real server gives the bytes of "token_id:7414" here, and the token's own above
      bytes: show.tokensAsIds ? [...Buffer.from(nameOf(id, true))] : tokenBytes(id),
    })),
  };
}

/** One map a position, keyed by text (where two ids may collide) or by `token_id:7414`. */
/** `firstOffset`: where the text of the first one begins. */
export function completionLogprobs(told: readonly (readonly ToldLogprob[])[], { show }: Generation, firstOffset = 0) {
  const names = told.map(([sampled]) => nameOf(sampled?.id ?? 0, show.tokensAsIds));
  let offset = firstOffset;
  return {
    text_offset: names.map((name) => {
      const begins = offset;
      offset += name.length;
      return begins;
    }),
    token_logprobs: told.map(([sampled]) => sampled?.logprob ?? null),
    tokens: names,
    top_logprobs: told.map((list) =>
      Object.fromEntries(list.map(({ id, logprob }) => [nameOf(id, show.tokensAsIds), logprob])),
    ),
  };
}

function nameOf(id: number, asId: boolean): string {
  return asId ? `token_id:${id}` : tokenText(id);
}
