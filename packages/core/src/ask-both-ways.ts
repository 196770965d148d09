import { type Asked, askVerdict, type Complete, readAnswer } from "./ask-verdict.ts";
import { inWay } from "./build-request.ts";
import type { ChatRequest } from "./engine-request.ts";
import type { Profile } from "./profile.ts";

/** One answer, read twice. */
export interface BothWays {
  readonly ids: Asked;
  /** null where the one request gave no verdict, so that there was nothing to read again */
  readonly twoStep: Asked | null;
}

/**
 * Asks one row once, with exact ids, and reads the verdict of that answer a second time from its token ids: what the
 * two ways say of the same answer, where two samples would differ by chance. Only for profiles with a second step.
 */
export async function askBothWays(complete: Complete, request: ChatRequest, profile: Profile): Promise<BothWays> {
  const ids = await askVerdict(complete, inWay(request, profile, "ids"), profile);
  if (!ids.ok || !ids.found.found) return { ids, twoStep: null };
  return { ids, twoStep: await readAnswer(complete, inWay(request, profile, "two-step"), profile, ids.completion) };
}
