import type { Message } from "./row.ts";

/**
 * The two requests a row may need, free of any client. The engine package turns them into vLLM's wire form; the
 * scoring package only passes them on.
 */

/**
 * POST /v1/chat/completions, or, where `text` is set, that text to /v1/completions. Every sampling parameter is named,
 * since a server fills gaps from its checkpoint.
 */
export interface ChatRequest {
  readonly kind: "chat";
  readonly model: string;
  readonly messages: readonly Message[];
  /** the messages as the profile's own text (renderPlain); null: the server's template renders them */
  readonly text: string | null;
  /** openai: only fields that OpenAI has; a sampling that they cannot say is not sent like this (canSayOpenai) */
  readonly fields: "vllm" | "openai";
  readonly templateKwargs: { readonly [key: string]: string | number | boolean };
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly maxTokens: number;
  readonly seed: number | null;
  /** Ids: log-probabilities of exactly these; null: none, or a list of the likeliest. */
  readonly logprobTokenIds: readonly number[] | null;
  /** The likeliest so many tokens of every position; null: no such list. */
  readonly topLogprobs: number | null;
}

/** POST /v1/completions on exact token ids: one token, temperature 0, log-probabilities of exactly these ids. */
export interface ReadRequest {
  readonly kind: "read";
  readonly model: string;
  readonly promptTokenIds: readonly number[];
  readonly logprobTokenIds: readonly number[];
}

export type EngineRequest = ChatRequest | ReadRequest;
