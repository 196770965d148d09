/** The status of a result row and the named questions one asks of it. */

export const statuses = [
  "ok",
  "truncated",
  "looped",
  "no_verdict",
  "verdict_not_in_topk",
  "no_response",
  "too_long",
  "bad_input",
  "rejected",
  "engine_error",
  "quarantined",
] as const;

export type Status = (typeof statuses)[number];

/**
 * Statuses that a wrong setting or a sick engine gives to every row alike. Only these count for the failure
 * budget: truncated, too_long and the rest say something about the row, not about the engine.
 */
export const engineSideStatuses = ["engine_error", "rejected", "no_verdict", "verdict_not_in_topk"] as const;

export function isEngineSide(status: Status): boolean {
  return (engineSideStatuses as readonly Status[]).includes(status);
}
