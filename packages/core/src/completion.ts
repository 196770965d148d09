/**
 * What an engine said, free of any wire format: the meeting point of the engine package (which fills it) and the
 * verdict code (which reads it).
 */

/** Log-probabilities at one generated position, natural logarithm. Keyed by token id and, where ids are not told, by text. */
export interface PositionLogprobs {
  /** The sampled token. `id` is null where the server does not tell ids. */
  readonly sampled: { readonly id: number | null; readonly text: string; readonly logprob: number };
  /** The other tokens told at this position, the sampled one included, in the server's order. */
  readonly told: readonly { readonly id: number | null; readonly text: string; readonly logprob: number }[];
}

export interface Completion {
  /** Thinking that a reasoning parser took out of the text; null without a parser. */
  readonly reasoning: string | null;
  /** The rest of the generated text, special tokens left out; "" when null was sent. */
  readonly content: string;
  readonly finishReason: string | null;
  /** Every generated id, the end-of-sequence id included; null where the server does not tell. */
  readonly tokenIds: readonly number[] | null;
  readonly promptTokenIds: readonly number[] | null;
  /**
   * Log-probabilities of the last positions (at least the last 8 when so many were generated) or of all positions;
   * null when none were asked for or told. `logprobsEnd` is the position behind the last entry.
   */
  readonly logprobs: readonly PositionLogprobs[] | null;
  readonly logprobsEnd: number;
  readonly usage: {
    readonly promptTokens: number;
    readonly completionTokens: number;
    /** null unless the server tells (--enable-prompt-tokens-details) */
    readonly cachedTokens: number | null;
  };
  /** From the first byte sent to the last byte read. */
  readonly latencyMs: number;
}

/** Why an engine gave no completion. A value: the caller decides between row, chunk and engine. */
const engineFailureKinds = [
  /** 400 and 422: this request is refused; the same again would be refused again */
  "rejected",
  /** 400 with the context length as its reason */
  "too_long",
  /** 404: the model is not served (any more) */
  "wrong_model",
  /** 401, 403 */
  "denied",
  /** 429, 503: load, not death; never charged to a row, never opens a breaker */
  "busy",
  /** nobody listened: not one byte of the request was sent, so that no death is this row's */
  "unreached",
  /** connection reset, 500 EngineCore, 502, 504: the engine or the way to it is gone under the request; charges no row */
  "lost",
  /** any other 5xx: a row's own attempt */
  "server_error",
  /** our own deadline passed */
  "deadline",
  /** the answer is not one we can read */
  "bad_answer",
  /** the caller's signal */
  "aborted",
] as const;
export type EngineFailureKind = (typeof engineFailureKinds)[number];

export interface EngineFailure {
  readonly kind: EngineFailureKind;
  /** HTTP status, null when no answer came. */
  readonly status: number | null;
  /** The engine's own words, cut to 300 characters and well-formed; an engine may quote what it was sent. */
  readonly message: string;
  readonly retryAfterMs: number | null;
}

export type EngineOutcome =
  | { readonly ok: true; readonly completion: Completion }
  | { readonly ok: false; readonly failure: EngineFailure };
