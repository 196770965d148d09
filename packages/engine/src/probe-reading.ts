import {
  type Asked,
  askBothWays,
  askVerdict,
  buildRequest,
  type ChatRequest,
  type Complete,
  canSayOpenai,
  hasVerdictIds,
  type Profile,
  type ReadWay,
  type ServerForm,
  type VerdictRead,
} from "@assay/core";
import type { EngineClient } from "./engine-client.ts";
import { probeRow } from "./probe-template.ts";
import { probeTop } from "./probe-top.ts";

/** A golden row is a whole reasoning: 16,000 tokens at 30 ms each are 8 minutes. */
const goldenLimitMs = 20 * 60_000;
const readLimitMs = 60_000;

/** The pair asked where a profile names none: only that it is answered is checked then, not the signs. */
const somePair = { prompt: "What is 1+1?", better: "1+1=2", worse: "1+1=3", principle: "correctness" };

export interface ReadingFound {
  /** ways that work, the profile's own first */
  readonly ways: readonly ReadWay[];
  /** as given, with the longest list and the fields that it takes where `top` was tried */
  readonly server: ServerForm;
  /** rewards of the golden pair's better and worse response, greedy */
  readonly better: number | null;
  readonly worse: number | null;
  /** for a person: what each way said */
  readonly words: string;
  /** a reasoning parser took the thinking out of the text */
  readonly reasoningParser: boolean;
  /** the ids of a row's prompt come back with its answer, so that its turns can be counted */
  readonly promptTold: boolean;
  /** the answer reached the profile's token budget before its verdict: that says nothing about the engine */
  readonly truncated: boolean;
}

/**
 * Asks the golden pair, greedy. The better response is asked in one request with exact ids, and its verdict is read a
 * second time from its token ids, so that both ways stand beside each other on one answer; the worse one is asked in
 * the profile's own way. Lists of the likeliest tokens are tried only where nothing else works, or `top` is asked for.
 */
export async function probeReading(
  client: EngineClient,
  model: string,
  profile: Profile,
  server: ServerForm,
  signal: AbortSignal,
): Promise<ReadingFound> {
  const golden: Golden = {
    profile,
    pair: profile.golden ?? somePair,
    complete: (request) =>
      client.complete(request, { signal, deadlineMs: request.kind === "chat" ? goldenLimitMs : readLimitMs }),
    request: (response, way, form) => greedyRequest(model, profile, { ...golden.pair, response }, way, form),
  };
  const wantsTop = profile.verdict.read === "top";
  const exact = hasVerdictIds(profile) && !wantsTop ? await readExactly(golden, server) : null;
  if (exact !== null && (exact.ways.length > 0 || profile.verdict.insist === true)) return exact;
  const top = await readTop(golden, server, client);
  const words = [...(exact === null ? [] : [exact.words]), top.words].join("; ");
  return { ...top, words, truncated: top.truncated || exact?.truncated === true };
}

interface Golden {
  readonly profile: Profile;
  readonly pair: {
    readonly prompt: string;
    readonly better: string;
    readonly worse: string;
    readonly principle: string;
  };
  readonly complete: Complete;
  readonly request: (response: string, way: ReadWay, server: ServerForm) => ChatRequest;
}

async function readExactly(golden: Golden, server: ServerForm): Promise<ReadingFound> {
  const { profile, pair, complete } = golden;
  const oneToken = profile.verdict.position === "first";
  const own = profile.verdict.read;
  const ask = (response: string, way: ReadWay): Promise<Asked> =>
    askVerdict(complete, golden.request(response, way, server), profile);
  const better = golden.request(pair.better, "ids", server);
  const [both, worseOwn] = await Promise.all([
    oneToken
      ? { ids: await askVerdict(complete, better, profile), twoStep: null }
      : askBothWays(complete, better, profile),
    ask(pair.worse, own),
  ]);
  const { ids } = both;
  const twoStep = oneToken ? null : isRead(ids) ? both.twoStep : await ask(pair.better, "two-step");
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
    server,
    better: rewardOf(ids) ?? (twoStep === null ? null : rewardOf(twoStep)),
    worse: rewardOf(worse),
    words: words.join("; "),
    ...toldBy(ids),
  };
}

async function readTop(golden: Golden, server: ServerForm, client: EngineClient): Promise<ReadingFound> {
  const { profile, pair, complete } = golden;
  const mayBeBare = canSayOpenai(profile.sampling);
  const top = await probeTop(client, golden.request(pair.better, "top", server), mayBeBare);
  if ("why" in top) {
    const mend = mayBeBare ? "" : "; OpenAI's own fields cannot say this sampling (--set top_k=-1)";
    const none = { better: null, worse: null, reasoningParser: false, promptTold: false, truncated: false };
    return { ways: [], server, words: `top: ${top.why}${mend}`, ...none };
  }
  const found: ServerForm = { ...server, topLogprobs: top.length, fields: top.fields };
  const ask = (response: string): Promise<Asked> =>
    askVerdict(complete, golden.request(response, "top", found), profile);
  const [better, worse] = await Promise.all([ask(pair.better), ask(pair.worse)]);
  const fields = top.fields === "openai" ? ", and OpenAI's fields alone" : "";
  return {
    ways: isRead(better) ? ["top"] : [],
    server: found,
    better: rewardOf(better),
    worse: rewardOf(worse),
    words: `top: ${describe(better)} with lists of ${top.length}${fields}`,
    ...toldBy(better),
  };
}

function toldBy(asked: Asked): Pick<ReadingFound, "reasoningParser" | "promptTold" | "truncated"> {
  return {
    truncated: asked.ok && !asked.found.found && asked.found.status === "truncated",
    reasoningParser: asked.ok && asked.completion.reasoning !== null,
    promptTold: asked.ok && asked.completion.promptTokenIds !== null,
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

/** A row of the probe as it is asked, without sampling. */
export function greedyRequest(
  model: string,
  profile: Profile,
  texts: { prompt: string; response: string; principle: string },
  way: ReadWay,
  server: ServerForm,
): ChatRequest {
  const sampling = { ...profile.sampling, temperature: 0, top_p: 1, top_k: -1, min_p: 0 };
  const built = buildRequest(
    probeRow(texts),
    { model, profile: { ...profile, sampling }, strip: "off", specials: "neutralise", samples: 1, seed: null },
    way,
    server,
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
