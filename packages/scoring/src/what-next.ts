import type { Asked } from "@assay/core";

/** Failures that are the row's own: after so many it ends as `engine_error`. Deaths of engines are not counted. */
const ownAttempts = 3;
/** Given up by engines so often, a row is charged: with the pauses in between this is a minute, as long as a pause takes. */
const freeHandBacks = 8;

/** What a row has cost so far, the answer in hand included. */
export interface Tries {
  /** its own attempts */
  readonly own: number;
  /** answers that an engine gave up halfway */
  readonly handedBack: number;
}

/** What follows an answer: nothing, or the same row once more, and on whose account. */
export type Next = "done" | "again" | "handed-back" | "busy" | "lost" | "refused" | "aborted";

/** The one retry policy of a row. Pure. */
export function whatNext(asked: Asked, { own, handedBack }: Tries): Next {
  const again = own < ownAttempts ? "again" : "done";
  if (asked.ok) {
    if (asked.found.found || asked.found.status !== "engine_error") return "done";
    // the engine was paused or shut down under the row; one that ends every answer so is not waited for for ever
    const isGivenUp = asked.completion.finishReason === "abort";
    return isGivenUp && handedBack < freeHandBacks ? "handed-back" : again;
  }
  switch (asked.failure.kind) {
    case "aborted":
      return "aborted";
    case "busy":
      return "busy";
    case "unreached":
    case "lost":
      return "lost";
    case "wrong_model":
    case "denied":
      return "refused";
    case "rejected":
    case "too_long":
      return "done";
    default:
      return again;
  }
}

/** What the engine said it wants to be left alone for, in milliseconds. */
export function retryAfter(asked: Asked): number | null {
  return asked.ok ? null : asked.failure.retryAfterMs;
}
