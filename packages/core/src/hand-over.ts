import type { SecondRequest } from "./ask-verdict.ts";

/** The second request of a row in two steps, and how long the row took with it. */
export interface SecondSeen extends SecondRequest {
  /** both requests */
  readonly rowMs: number;
}

/** Fewer second requests say nothing: the first ones meet a cold cache. */
const fewestSeen = 50;
/** What was so long ago is no longer so: the load has changed since. */
export const seenWindow = 200;
/** vLLM's own, where the engine does not tell. */
const usualBlock = 16;
/** A whole cache computes the last block again, and at most the one that was not full yet. */
const blocksAllowed = 2;
const shareAllowed = 0.1;

/**
 * Whether an engine's rows should be read with exact ids in one request from now on, and why; null = two steps stay.
 * Two steps are cheap only while the second request finds its prefix in the cache. `seen`: this engine's
 * second requests, oldest first. Judged by tokens computed again, never by the cached share: of 115 tokens none fills
 * a block of 128, and the cache is whole all the same. Where the engine does not tell its cached tokens, by time. Pure.
 */
export function whyHandOver(seen: readonly SecondSeen[], blockSize: number | null): string | null {
  const recent = seen.slice(-seenWindow);
  if (recent.length < fewestSeen) return null;
  const again = recent.flatMap(({ promptTokens, cachedTokens }) =>
    cachedTokens === null ? [] : [promptTokens - cachedTokens],
  );
  if (again.length >= fewestSeen) {
    const block = blockSize ?? usualBlock;
    const tokens = median(again);
    return tokens > blocksAllowed * block
      ? `the second request computes ${tokens} tokens again (median of ${again.length}), more than ${blocksAllowed} blocks of ${block}`
      : null;
  }
  const secondMs = median(recent.map(({ latencyMs }) => latencyMs));
  const rowMs = median(recent.map((one) => one.rowMs));
  return secondMs > shareAllowed * rowMs
    ? `the second request takes ${Math.round(secondMs)} of a row's ${Math.round(rowMs)} ms (medians of ${recent.length}), more than ${shareAllowed * 100} %`
    : null;
}

/** Of an even number the lower of the two in the middle: a number that was seen. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}
