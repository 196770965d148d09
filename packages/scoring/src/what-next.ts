import type { Asked } from "@assay/core";

/** Failures that are the row's own: after so many it ends as `engine_error`. Deaths of engines are not counted. */
const ownAttempts = 3;

/** What follows an answer: nothing, or the same row once more, and on whose account. */
export type Next = "done" | "again" | "busy" | "lost" | "elsewhere" | "aborted";

/** The one retry policy of a row (05 section 2.4). Pure. `attempts` counts the row's own, this one included. */
export function whatNext(asked: Asked, attempts: number): Next {
  if (asked.ok) {
    // the engine gave the row up (a pause, a restart): asked again, but not for ever
    const givenUp = !asked.found.found && asked.found.status === "engine_error";
    return givenUp && attempts < ownAttempts ? "again" : "done";
  }
  switch (asked.failure.kind) {
    case "aborted":
      return "aborted";
    case "busy":
      return "busy";
    case "lost":
      return "lost";
    case "wrong_model":
    case "denied":
      return "elsewhere";
    case "rejected":
    case "too_long":
      return "done";
    default:
      return attempts < ownAttempts ? "again" : "done";
  }
}

/** What the engine said it wants to be left alone for, in milliseconds. */
export function retryAfter(asked: Asked): number | null {
  return asked.ok ? null : asked.failure.retryAfterMs;
}
