import type { ChatRequest, ReadRequest } from "./engine-request.ts";
import type { Profile } from "./profile.ts";

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

/** Under processed_logprobs a penalty of the checkpoint's own would change what is told, of a greedy token, too. */
const neutralSampling = { top_p: 1, top_k: -1, min_p: 0, repetition_penalty: 1 };

/**
 * Body of POST /v1/completions for the second step. Every sampling parameter is sent, as with the first.
 * return_tokens_as_token_ids, since the answer's map is keyed by decoded text otherwise, where two ids may collide.
 * Priority -1 helps where the policy is on and is ignored elsewhere.
 */
export function readBody(request: ReadRequest): { [field: string]: unknown } {
  return {
    model: request.model,
    prompt: request.promptTokenIds,
    max_tokens: 1,
    temperature: 0,
    ...neutralSampling,
    logprobs: 0,
    logprob_token_ids: request.logprobTokenIds,
    return_tokens_as_token_ids: true,
    return_token_ids: true,
    priority: -1,
  };
}
