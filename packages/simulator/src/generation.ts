import type { Answer, Ending } from "./generate-answer.ts";
import type { Sampling } from "./sample-token.ts";
import type { LogprobsAsked, ToldLogprob } from "./tell-logprobs.ts";

/** A generation as the engine sees it, read from either endpoint. */
export interface Generation {
  readonly path: "chat" | "completion";
  readonly promptIds: readonly number[];
  /** null where the prompt came as ids */
  readonly promptText: string | null;
  readonly sampling: Sampling;
  readonly ending: Ending;
  readonly logprobs: LogprobsAsked | null;
  readonly cacheSalt: string | null;
  readonly show: {
    readonly tokenIds: boolean;
    readonly tokensAsIds: boolean;
    readonly promptText: boolean;
    /** false: a reasoning parser drops the thinking, and the log-probabilities with it */
    readonly reasoning: boolean;
    /** the answer comes in pieces; `usage`: with a last one that counts its tokens */
    readonly stream: boolean;
    readonly usage: boolean;
  };
  /** the template left room for thinking */
  readonly thinking: boolean;
  /** the request's own id; null: the server makes one */
  readonly requestId: string | null;
}

/** What a row is going to have written; known once it has a slot. */
export interface Written {
  readonly answer: Answer;
  /** one list a generated token, the sampled one first; null when none were asked for */
  readonly told: readonly (readonly ToldLogprob[])[] | null;
}

/** What the engine made of it. */
export interface Generated extends Written {
  readonly cachedTokens: number;
}
