import { type ChatRequest, chatBody, completionFromChat, completionFromText, logprobsAt } from "@assay/core";
import type { EngineClient } from "./engine-client.ts";
import { isRefusal, refusalWords } from "./probe-template.ts";

/** Lengths that servers were seen to stop at: vLLM and OpenAI at 20, others at 10, 8 or 5. */
const lengths = [20, 10, 8, 5, 4, 3, 2] as const;
const tokenLimitMs = 60_000;

export interface FoundTop {
  /** the longest list that it tells */
  readonly length: number;
  /** openai: fields of vLLM are refused */
  readonly fields: ChatRequest["fields"];
}

/**
 * The longest list of likeliest tokens that a server tells at a position, or its words for why it tells none. Asks one
 * token of a row. `mayBeBare`: the profile's sampling can be said in OpenAI's fields alone.
 */
export async function probeTop(
  client: EngineClient,
  request: ChatRequest,
  mayBeBare: boolean,
): Promise<FoundTop | { why: string }> {
  let why = "";
  for (const fields of mayBeBare ? (["vllm", "openai"] as const) : (["vllm"] as const)) {
    for (const length of lengths) {
      const asked: ChatRequest = { ...request, fields, maxTokens: 1, logprobTokenIds: null, topLogprobs: length };
      const told = await listLength(client, asked);
      if (typeof told === "number") return { length: Math.min(told, length), fields };
      why = told.why;
      // it has nothing against the request, it just tells no list
      if (!told.refused) return { why };
    }
  }
  return { why };
}

async function listLength(
  client: EngineClient,
  request: ChatRequest,
): Promise<number | { why: string; refused: boolean }> {
  const isText = request.text !== null;
  const path = isText ? "/v1/completions" : "/v1/chat/completions";
  const answer = await client.ask(path, chatBody(request), tokenLimitMs);
  if (answer.status !== 200) return { why: refusalWords(answer), refused: isRefusal(answer.status) };
  try {
    const completion = isText ? completionFromText(answer.body, 0) : completionFromChat(answer.body, 0);
    const length = logprobsAt(completion, 0)?.told.length ?? 0;
    return length < 2 ? { why: "it tells no list of likeliest tokens", refused: false } : length;
  } catch (error) {
    return { why: (error as Error).message, refused: false };
  }
}
