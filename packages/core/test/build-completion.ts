import type { Completion, PositionLogprobs } from "../src/completion.ts";

/** Ids of the Qwen3 tokenizer that the tests speak in; test/tokenizer.test.ts holds them to the real one. */
export const qwen3 = {
  thinkOpen: 151667,
  thinkClose: 151668,
  imStart: 151644,
  imEnd: 151645,
  blankLine: 271,
  finalJudgement: [19357, 11213, 29564],
  colon: 25,
  yes: 7414,
  no: 2308,
} as const;

/** A completion that ended by itself, with what a test wants otherwise. */
export function buildCompletion(parts: Partial<Completion> = {}): Completion {
  return {
    reasoning: null,
    content: "",
    finishReason: "stop",
    tokenIds: null,
    promptTokenIds: null,
    logprobs: null,
    logprobsEnd: parts.logprobs?.length ?? 0,
    usage: { promptTokens: 0, completionTokens: 0, cachedTokens: null },
    latencyMs: 0,
    ...parts,
  };
}

/** One position: the sampled token first, then the others told. An id or a text names a token. */
export function buildPosition(
  ...tokens: readonly (readonly [token: number | string, logprob: number])[]
): PositionLogprobs {
  const told = tokens.map(([token, logprob]) =>
    typeof token === "number" ? { id: token, text: `<${token}>`, logprob } : { id: null, text: token, logprob },
  );
  const [sampled] = told;
  if (sampled === undefined) throw new TypeError("buildPosition: no token");
  return { sampled, told };
}
