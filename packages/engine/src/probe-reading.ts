import {
  type Asked,
  askVerdict,
  buildRequest,
  type ChatRequest,
  type Profile,
  type ReadWay,
  type VerdictRead,
} from "@assay/core";
import type { EngineClient } from "./engine-client.ts";
import { probeRow } from "./probe-template.ts";

/** A golden row is a whole reasoning: 16,000 tokens at 30 ms each are 8 minutes. */
const goldenLimitMs = 20 * 60_000;
const readLimitMs = 60_000;

/** The pair asked where a profile names none: only that it is answered is checked then, not the signs. */
const somePair = { prompt: "What is 1+1?", better: "1+1=2", worse: "1+1=3", principle: "correctness" };

export interface ReadingFound {
  /** ways that work, the profile's own first */
  readonly ways: readonly ReadWay[];
  /** rewards of the golden pair's better and worse response, greedy */
  readonly better: number | null;
  readonly worse: number | null;
  /** for a person: what each way said */
  readonly words: string;
  /** a reasoning parser took the thinking out of the text */
  readonly reasoningParser: boolean;
}

/**
 * Asks the golden pair, greedy. The better response is asked in one request with exact ids, and its verdict is read a
 * second time from its token ids, so that both ways stand beside each other on one answer; the worse one is asked in
 * the profile's own way.
 */
export async function probeReading(
  client: EngineClient,
  model: string,
  profile: Profile,
  signal: AbortSignal,
): Promise<ReadingFound> {
  const oneToken = profile.verdict.position === "first";
  const own = profile.verdict.read;
  const pair = profile.golden ?? somePair;
  const ask = (response: string, way: ReadWay): Promise<Asked> =>
    askGreedy(client, model, profile, { ...pair, response }, way, signal);

  const [ids, worseOwn] = await Promise.all([ask(pair.better, "ids"), ask(pair.worse, own)]);
  const twoStep = oneToken
    ? null
    : isRead(ids)
      ? await readAgain(client, model, profile, ids, signal)
      : await ask(pair.better, "two-step");
  const agree = twoStep === null || !isRead(ids) || !isRead(twoStep) || apart(ids.read, twoStep.read) <= mostApart;
  const works: ReadWay[] = [];
  if (isRead(ids)) works.push("ids");
  if (twoStep !== null && isRead(twoStep) && agree) works.push("two-step");
  works.sort((a, b) => Number(b === own) - Number(a === own));
  const worse = isRead(worseOwn) || works[0] === undefined ? worseOwn : await ask(pair.worse, works[0]);
  const words = [`ids: ${describe(ids)}`];
  if (twoStep !== null) words.push(`two-step: ${agree ? describe(twoStep) : "reads something else than ids did"}`);
  return {
    ways: works,
    better: rewardOf(ids) ?? (twoStep === null ? null : rewardOf(twoStep)),
    worse: rewardOf(worse),
    words: words.join("; "),
    reasoningParser: ids.ok && ids.completion.reasoning !== null,
  };
}

/**
 * Log-probabilities of one token on prefill and decode kernels differ: by up to 0.56 under an fp8 KV cache on H100
 * (vllm-project/flash-attention#184). A prompt cut at the wrong token is off by ten and more.
 */
const mostApart = 1;

function apart(one: VerdictRead, other: VerdictRead): number {
  const between = (a: number | null, b: number | null): number => Math.abs((a ?? 0) - (b ?? 0));
  return Math.max(between(one.logprobYes, other.logprobYes), between(one.logprobNo, other.logprobNo));
}

/** The second request alone, on an answer that one request gave. */
async function readAgain(
  client: EngineClient,
  model: string,
  profile: Profile,
  asked: Asked & { ok: true },
  signal: AbortSignal,
): Promise<Asked> {
  return askVerdict(
    async (request) =>
      request.kind === "chat"
        ? { ok: true, completion: asked.completion }
        : client.complete(request, { signal, deadlineMs: readLimitMs }),
    greedyRequest(model, profile, { ...somePair, response: "" }, "two-step"),
    profile,
    "two-step",
  );
}

/**
 * Whether log-probabilities come as the model gave them: one fixed prompt is read at temperature 1 without filters
 * and at 0.5 with top_k 20. A server that scales or filters them first says something else the second time. null
 * where it does not answer.
 */
export async function probeRawLogprobs(
  client: EngineClient,
  model: string,
  promptTokenIds: readonly number[],
  ids: readonly [number, number],
): Promise<{ raw: boolean; words: string } | null> {
  const ask = async (sampling: { temperature: number; top_k?: number }): Promise<number | null> => {
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
        ...sampling,
      },
      readLimitMs,
    );
    const told = (body as { choices?: { logprobs?: { top_logprobs?: Record<string, number>[] } }[] } | null)
      ?.choices?.[0]?.logprobs?.top_logprobs?.[0];
    const [first, second] = ids.map((id) => told?.[`token_id:${id}`]);
    return status !== 200 || first === undefined || second === undefined ? null : first - second;
  };
  const [plain, filtered] = [await ask({ temperature: 1, top_k: -1 }), await ask({ temperature: 0.5, top_k: 20 })];
  if (plain === null || filtered === null) return null;
  // batching wobbles log-probabilities by far less than halving the temperature moves them
  const raw = Math.abs(plain - filtered) <= 0.05 * Math.max(1, Math.abs(plain));
  return { raw, words: `margin ${plain.toFixed(2)} at temperature 1, ${filtered.toFixed(2)} at 0.5 with top_k 20` };
}

function askGreedy(
  client: EngineClient,
  model: string,
  profile: Profile,
  texts: { prompt: string; response: string; principle: string },
  way: ReadWay,
  signal: AbortSignal,
): Promise<Asked> {
  return askVerdict(
    (request) =>
      client.complete(request, { signal, deadlineMs: request.kind === "chat" ? goldenLimitMs : readLimitMs }),
    greedyRequest(model, profile, texts, way),
    profile,
    way,
  );
}

function greedyRequest(
  model: string,
  profile: Profile,
  texts: { prompt: string; response: string; principle: string },
  way: ReadWay,
): ChatRequest {
  const sampling = { ...profile.sampling, temperature: 0, top_p: 1, top_k: -1, min_p: 0 };
  const built = buildRequest(
    probeRow(texts),
    { model, profile: { ...profile, sampling }, strip: "off", specials: "neutralise", samples: 1, seed: null },
    way,
  );
  if (built.kind !== "ask") throw new TypeError(`the probe's own row is not asked: ${built.why}`);
  return built.request;
}

function isRead(asked: Asked): asked is Asked & { ok: true; read: VerdictRead } {
  return asked.ok && asked.read?.status === "ok";
}

function rewardOf(asked: Asked): number | null {
  return isRead(asked) ? (asked.read.logprobYes ?? 0) - (asked.read.logprobNo ?? 0) : null;
}

function describe(asked: Asked): string {
  if (!asked.ok) return `${asked.failure.kind.replaceAll("_", " ")} (${asked.failure.message})`;
  if (!asked.found.found) return `${asked.found.status} (${asked.found.why})`;
  if (asked.read?.status !== "ok") return `${asked.read?.status} (${asked.read?.why})`;
  return "works";
}
