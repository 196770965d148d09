/** A bound on the rows in flight at an engine that answered 429, beside the limit that its own state gives it. */
export interface RateCap {
  /** rows in flight, with a fraction while it grows; Infinity where nothing was refused */
  readonly rows: number;
  /** the last request that was sent before the last halving */
  readonly halvedAt: number;
}

export const noCap: RateCap = { rows: Number.POSITIVE_INFINITY, halvedAt: 0 };

/** A server that refuses fewer than these has a quota, which waiting mends and fewer rows do not. */
const fewest = 8;

/**
 * The cap after request number `request` was answered 429, when `inFlight` of `limit` rows were in flight and `sent`
 * requests had been sent: half of what was in flight, once for all requests that were sent before. Pure.
 */
export function capAfterRefusal(
  cap: RateCap,
  request: number,
  engine: { readonly limit: number; readonly inFlight: number; readonly sent: number },
): RateCap {
  if (request <= cap.halvedAt) return cap;
  const half = Math.floor(Math.min(cap.rows, engine.limit, engine.inFlight) / 2);
  return { rows: Math.max(Math.min(fewest, cap.rows), half), halvedAt: engine.sent };
}

/** The cap after an answer: one row more for as many answers as it has rows; none once it is the limit. Pure. */
export function capAfterAnswer(cap: RateCap, limit: number): RateCap {
  const rows = cap.rows + 1 / cap.rows;
  return rows < limit ? { ...cap, rows } : { ...cap, rows: Number.POSITIVE_INFINITY };
}
