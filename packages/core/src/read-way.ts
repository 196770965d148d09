/**
 * How the two log-probabilities of a verdict are asked for: the `read` column. two-step: a second request on
 * exactly the ids before the verdict. ids: log-probabilities of exactly the verdict's ids, in the one request. top: a
 * list of the likeliest tokens, for servers that know neither; a word that is not in it has only a bound.
 */
export const readWays = ["two-step", "ids", "top"] as const;
export type ReadWay = (typeof readWays)[number];

/**
 * What a request has to reckon with at a server, apart from the way; the probe finds it. The default is what vLLM has.
 */
export interface ServerForm {
  /** the longest list of likeliest tokens that it tells at a position; asked for in way `top` alone */
  readonly topLogprobs: number;
  /** plain: its template refuses the profile's roles, so the profile's own text goes to /v1/completions */
  readonly rendered: "template" | "plain";
  /** openai: it refuses fields that OpenAI does not have, so only those go out; what they cannot say must be neutral */
  readonly fields: "vllm" | "openai";
}
export const vllmForm: ServerForm = { topLogprobs: 20, rendered: "template", fields: "vllm" };
