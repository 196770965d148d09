import { type ChatRequest, type Completion, type PositionLogprobs, type ReadRequest, sha256 } from "@assay/core";

/** Qwen3's ids, as the built-in profile genrm-principle has them. */
export const ids = { open: 151644, close: 151645, thinkOpen: 151667, thinkClose: 151668, yes: 7414, no: 2308 } as const;
const anchorIds = [271, 19357, 11213, 29564, 25] as const;
/** Numbers of rows and of asks travel as ids of their own, so that a read is a function of its request alone. */
const rowBase = 1_000_000;
const drawBase = 2_000_000;

/** P(Yes) of a row when a test says nothing: a function of its text, between 0.05 and 0.95. */
export function yesOf(row: string): number {
  return 0.05 + 0.9 * (Number.parseInt(sha256(row).slice(0, 8), 16) / 0xffff_ffff);
}

/** Which row a read is of, as `chatAnswer` put it into the prompt; NaN of none. */
export function rowNumberOf({ promptTokenIds }: ReadRequest): number {
  return (promptTokenIds.find((id) => id >= rowBase && id < drawBase) ?? Number.NaN) - rowBase;
}

export function rowOf({ messages }: ChatRequest): string {
  return `${messages.at(-2)?.content}|${messages.at(-1)?.content}`;
}

export function chatAnswer(
  request: ChatRequest,
  row: string,
  number: number,
  draw: number,
  yes: (row: string, draw: number) => number,
): Completion {
  const saysYes = yes(row, draw) >= 0.5;
  // a reasoning of its own, that a read can be traced back to
  const tokenIds = [
    ids.thinkOpen,
    drawBase + draw,
    ids.thinkClose,
    ...anchorIds,
    saysYes ? ids.yes : ids.no,
    ids.close,
  ];
  const promptTokenIds = [...request.messages.flatMap(() => [ids.open, ids.close]), ids.open, rowBase + number];
  const asked = request.logprobTokenIds;
  return {
    reasoning: null,
    content: `<think>so and so</think>\n\nFinal Judgement: ${saysYes ? "Yes" : "No"}`,
    finishReason: "stop",
    tokenIds,
    promptTokenIds,
    logprobs:
      asked === null
        ? null
        : tokenIds.map((id, i) => position(id, i === tokenIds.length - 2 ? asked : [], yes(row, draw))),
    logprobsEnd: asked === null ? 0 : tokenIds.length,
    usage: { promptTokens: promptTokenIds.length, completionTokens: tokenIds.length, cachedTokens: null },
    latencyMs: 12.5,
  };
}

export function readAnswer(request: ReadRequest, row: string, yes: (row: string, draw: number) => number): Completion {
  const draw = (request.promptTokenIds.find((id) => id >= drawBase) ?? drawBase) - drawBase;
  const p = yes(row, draw);
  // a prompt that does not end in front of the verdict leaves Yes and No with next to nothing
  const cutRight = request.promptTokenIds.at(-1) === anchorIds.at(-1);
  return {
    reasoning: null,
    content: p >= 0.5 ? " Yes" : " No",
    finishReason: "length",
    tokenIds: [p >= 0.5 ? ids.yes : ids.no],
    promptTokenIds: null,
    logprobs: [position(p >= 0.5 ? ids.yes : ids.no, cutRight ? request.logprobTokenIds : [], p)],
    logprobsEnd: 1,
    usage: { promptTokens: request.promptTokenIds.length, completionTokens: 1, cachedTokens: 8 },
    latencyMs: 2.25,
  };
}

function position(id: number, asked: readonly number[], p: number): PositionLogprobs {
  const logprob = (token: number): number =>
    token === ids.yes ? Math.log(p) : token === ids.no ? Math.log1p(-p) : -30;
  return {
    sampled: { id, text: `<${id}>`, logprob: logprob(id) },
    told: asked.map((token) => ({ id: token, text: `<${token}>`, logprob: logprob(token) })),
  };
}
