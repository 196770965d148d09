import {
  type ChatRequest,
  chatBody,
  completionFromChat,
  completionFromText,
  logprobsAt,
  type PositionLogprobs,
} from "@assay/core";
import type { EngineClient } from "./engine-client.ts";

const readLimitMs = 60_000;

export interface RawFound {
  readonly raw: boolean;
  readonly words: string;
}

/** The margin of two tokens at one place, as told under a sampling; null where it is not told. */
type Margin = (sampling: { temperature: number; topK: number }) => Promise<number | null>;

/**
 * Whether log-probabilities come as the model gave them: one place is read at temperature 1 without filters and at 0.5
 * with top_k 20. A server that scales or filters them first says something else the second time. null where it does
 * not answer.
 */
async function compareMargins(ask: Margin): Promise<RawFound | null> {
  const plain = await ask({ temperature: 1, topK: -1 });
  const filtered = plain === null ? null : await ask({ temperature: 0.5, topK: 20 });
  if (plain === null || filtered === null) return null;
  // batching wobbles log-probabilities by far less than halving the temperature moves them
  const raw = Math.abs(plain - filtered) <= 0.05 * Math.max(1, Math.abs(plain));
  return { raw, words: `margin ${plain.toFixed(2)} at temperature 1, ${filtered.toFixed(2)} at 0.5 with top_k 20` };
}

/** Of exact ids, behind a prompt of ids. */
export function probeRawLogprobs(
  client: EngineClient,
  model: string,
  promptTokenIds: readonly number[],
  ids: readonly [number, number],
): Promise<RawFound | null> {
  return compareMargins(async ({ temperature, topK }) => {
    const { status, body } = await client.ask(
      "/v1/completions",
      {
        model,
        prompt: promptTokenIds,
        max_tokens: 1,
        logprobs: 0,
        logprob_token_ids: ids,
        return_tokens_as_token_ids: true,
        top_p: 1,
        temperature,
        top_k: topK,
      },
      readLimitMs,
    );
    const told = (body as { choices?: { logprobs?: { top_logprobs?: Record<string, number>[] } }[] } | null)
      ?.choices?.[0]?.logprobs?.top_logprobs?.[0];
    const [first, second] = ids.map((id) => told?.[`token_id:${id}`]);
    return status !== 200 || first === undefined || second === undefined ? null : first - second;
  });
}

/** Empty where the answer holds no list that can be read. */
function listOf(body: unknown, isText: boolean): PositionLogprobs["told"] {
  try {
    return logprobsAt(isText ? completionFromText(body, 0) : completionFromChat(body, 0), 0)?.told ?? [];
  } catch {
    return [];
  }
}

/** Of the two likeliest first tokens of a row's answer, by their text. */
export function probeRawTop(client: EngineClient, request: ChatRequest): Promise<RawFound | null> {
  const isText = request.text !== null;
  let pair: readonly string[] | null = null;
  return compareMargins(async ({ temperature, topK }) => {
    const body = chatBody({ ...request, maxTokens: 1, topP: 1, minP: 0, temperature, topK });
    const answer = await client.ask(isText ? "/v1/completions" : "/v1/chat/completions", body, readLimitMs);
    if (answer.status !== 200) return null;
    const listed = listOf(answer.body, isText).toSorted((a, b) => b.logprob - a.logprob);
    pair ??= listed.slice(0, 2).map(({ text }) => text);
    const [first, second] = pair.map((text) => listed.find((one) => one.text === text)?.logprob);
    return first === undefined || second === undefined ? null : first - second;
  });
}
