/** A quota that is told for longer may be raised meanwhile, and a date may come from a wrong clock: asked again then. */
const mostMs = 15 * 60_000;

/**
 * What a Retry-After header says, in milliseconds from `nowMs` (epoch): seconds, or an HTTP date (RFC 9110 10.2.3). At
 * most 15 minutes, never negative; null where it is absent or neither. Pure.
 */
export function retryAfterMs(header: string | null, nowMs: number): number | null {
  if (header === null) return null;
  const ms = /^\d+(\.\d+)?$/.test(header) ? Number(header) * 1_000 : untilDate(header, nowMs);
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), mostMs) : null;
}

/** Date.parse also takes "-1" and "7" for dates: only what begins with a day's name and ends in GMT is one. */
function untilDate(header: string, nowMs: number): number {
  return /^[A-Z][a-z]{2,8}, .* GMT$/.test(header) ? Date.parse(header) - nowMs : Number.NaN;
}
