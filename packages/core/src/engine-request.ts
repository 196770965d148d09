import type { Message } from "./row.ts";

/**
 * The two requests a row may need, free of any client. The engine package turns them into vLLM's wire form; the
 * scoring package only passes them on.
 */

/** POST /v1/chat/completions. Every sampling parameter is named, since a server fills gaps from its checkpoint. */
export interface ChatRequest {
  readonly kind: "chat";
  readonly model: string;
  readonly messages: readonly Message[];
  readonly templateKwargs: { readonly [key: string]: string | number | boolean };
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly maxTokens: number;
  readonly seed: number | null;
  /** null: no log-probabilities. Ids: logprobs with exactly these ids. */
  readonly logprobTokenIds: readonly number[] | null;
}

/** POST /v1/completions on exact token ids: one token, temperature 0, log-probabilities of exactly these ids. */
export interface ReadRequest {
  readonly kind: "read";
  readonly model: string;
  readonly promptTokenIds: readonly number[];
  readonly logprobTokenIds: readonly number[];
}

export type EngineRequest = ChatRequest | ReadRequest;
