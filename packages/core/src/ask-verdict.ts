import { buildReadRequest, type ReadWay } from "./build-request.ts";
import type { Completion, EngineFailure, EngineOutcome } from "./completion.ts";
import type { ChatRequest, EngineRequest } from "./engine-request.ts";
import { type FoundVerdict, findVerdict, logprobsAt } from "./find-verdict.ts";
import type { Profile } from "./profile.ts";
import { readVerdict, type VerdictRead } from "./read-verdict.ts";

/** What asking one row once came to: the engine failed, or it answered and the answer was read as far as it goes. */
export type Asked =
  | { readonly ok: false; readonly failure: EngineFailure }
  | {
      readonly ok: true;
      /** the first answer; its log-probabilities are there for way `ids` alone */
      readonly completion: Completion;
      readonly found: FoundVerdict;
      /** null where no verdict was found */
      readonly read: VerdictRead | null;
      readonly way: ReadWay;
      /** both requests */
      readonly latencyMs: number;
      /** of the second request, where the server tells; of the only one otherwise */
      readonly cachedTokens: number | null;
    };

/**
 * Asks one row and reads its verdict (DESIGN 5): one request with exact ids, or two, the second on exactly the ids
 * before the verdict. `complete` sends a request and never rejects; everything else here is pure. A server that does
 * not tell what the way needs has failed (`bad_answer`), it has not judged.
 */
export async function askVerdict(
  complete: (request: EngineRequest) => Promise<EngineOutcome>,
  request: ChatRequest,
  profile: Profile,
  way: ReadWay,
): Promise<Asked> {
  const first = await complete(request);
  if (!first.ok) return first;
  const { completion } = first;
  const found = findVerdict(completion, profile);
  const asked = {
    ok: true,
    completion,
    found,
    way,
    latencyMs: completion.latencyMs,
    cachedTokens: completion.usage.cachedTokens,
  } as const;
  if (!found.found) return { ...asked, read: null };

  if (request.logprobTokenIds !== null) {
    const at = logprobsAt(completion, found.position);
    if (at === null) return untold("log-probabilities at the verdict");
    return { ...asked, read: readVerdict(at, found.form, profile, "ids") };
  }
  if (completion.promptTokenIds === null || completion.tokenIds === null) return untold("token ids");
  const second = await complete(
    buildReadRequest(request.model, completion.promptTokenIds, completion.tokenIds, found.position, profile),
  );
  if (!second.ok) return second;
  const at = logprobsAt(second.completion, 0);
  if (at === null) return untold("log-probabilities of the second request");
  return {
    ...asked,
    read: readVerdict(at, found.form, profile, "two-step"),
    latencyMs: completion.latencyMs + second.completion.latencyMs,
    cachedTokens: second.completion.usage.cachedTokens,
  };
}

function untold(what: string): Asked {
  const message = `the engine did not tell ${what}`;
  return { ok: false, failure: { kind: "bad_answer", status: 200, message, retryAfterMs: null } };
}
