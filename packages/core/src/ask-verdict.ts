import { buildReadRequest } from "./build-request.ts";
import type { Completion, EngineFailure, EngineOutcome } from "./completion.ts";
import type { ChatRequest, EngineRequest } from "./engine-request.ts";
import { type FoundVerdict, findVerdict, logprobsAt } from "./find-verdict.ts";
import type { Profile } from "./profile.ts";
import { readVerdict, type VerdictRead } from "./read-verdict.ts";
import type { ReadWay } from "./read-way.ts";

/** What the second request of two steps came to. */
export interface SecondRequest {
  readonly promptTokens: number;
  /** null where the server does not tell */
  readonly cachedTokens: number | null;
  readonly latencyMs: number;
}

/** What asking one row once came to: the engine failed, or it answered and the answer was read as far as it goes. */
export type Asked =
  | { readonly ok: false; readonly failure: EngineFailure }
  | {
      readonly ok: true;
      /** the first answer; two steps ask it for no log-probabilities */
      readonly completion: Completion;
      readonly found: FoundVerdict;
      /** null where no verdict was found */
      readonly read: VerdictRead | null;
      readonly way: ReadWay;
      /** both requests */
      readonly latencyMs: number;
      /** of the second request, where the server tells; of the only one otherwise */
      readonly cachedTokens: number | null;
      /** null where there was none */
      readonly second: SecondRequest | null;
    };

export type Complete = (request: EngineRequest) => Promise<EngineOutcome>;

/**
 * Asks one row and reads its verdict, in the way that the request was made for: one request with exact ids
 * or with a top list, or two, the second on exactly the ids before the verdict. `complete` sends a request and never
 * rejects; everything else here is pure. A server that does not tell what the way needs has failed (`bad_answer`), it
 * has not judged.
 */
export async function askVerdict(complete: Complete, request: ChatRequest, profile: Profile): Promise<Asked> {
  const first = await complete(request);
  return first.ok ? readAnswer(complete, request, profile, first.completion) : first;
}

/** What an answer to `request` says; in two steps the second request is sent for it. */
export async function readAnswer(
  complete: Complete,
  request: ChatRequest,
  profile: Profile,
  completion: Completion,
): Promise<Asked> {
  const found = findVerdict(completion, profile);
  const way = wayOf(request);
  const asked = {
    ok: true,
    completion,
    found,
    way,
    latencyMs: completion.latencyMs,
    cachedTokens: completion.usage.cachedTokens,
    second: null,
  } as const;
  if (!found.found) return { ...asked, read: null };

  if (way !== "two-step") {
    if (!isCounted(completion)) return untold("one log-probability entry a token");
    const at = logprobsAt(completion, found.position);
    if (at === null) return untold("log-probabilities at the verdict");
    return { ...asked, read: readVerdict(at, found.form, profile, way) };
  }
  if (completion.promptTokenIds === null || completion.tokenIds === null) return untold("token ids");
  const outcome = await complete(
    buildReadRequest(request.model, completion.promptTokenIds, completion.tokenIds, found.position, profile),
  );
  if (!outcome.ok) return outcome;
  const { usage, latencyMs } = outcome.completion;
  const at = logprobsAt(outcome.completion, 0);
  if (at === null) return untold("log-probabilities of the second request");
  return {
    ...asked,
    read: readVerdict(at, found.form, profile, way),
    latencyMs: completion.latencyMs + latencyMs,
    cachedTokens: usage.cachedTokens,
    second: { promptTokens: usage.promptTokens, cachedTokens: usage.cachedTokens, latencyMs },
  };
}

/** The verdict is found among the ids and read among the entries: where these are not as many, at another token's place. */
function isCounted({ tokenIds, logprobs, logprobsEnd }: Completion): boolean {
  return tokenIds === null || logprobs === null || tokenIds.length === logprobsEnd;
}

function wayOf({ logprobTokenIds, topLogprobs }: ChatRequest): ReadWay {
  if (topLogprobs !== null) return "top";
  return logprobTokenIds === null ? "two-step" : "ids";
}

function untold(what: string): Asked {
  const message = `the engine did not tell ${what}`;
  return { ok: false, failure: { kind: "bad_answer", status: 200, message, retryAfterMs: null } };
}
