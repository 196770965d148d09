/**
 * Whether a proxy in front of an engine ends answers that take too long: nginx after 60 s without a byte, Envoy after
 * 15 s, others after 29, 100 or 600. Told by what is lost: several answers after the same time each, at an engine that lives, and
 * none that took longer. Pure; times in milliseconds.
 */
export interface ProxyLimit {
  /** shorter losses are not looked at: connections break for many reasons, and Envoy waits 15 s by default */
  readonly leastMs: number;
  /** how long answers had taken that were lost since the engine was looked at last */
  readonly losses: readonly number[];
  /** the same of those that were lost although the engine lived; the last 8 */
  readonly cuts: readonly number[];
  /** the limit that was found, in any way of asking; null = none */
  readonly foundMs: number | null;
  /** the limit holds for streamed answers, too: nothing gets through that takes longer */
  readonly isHard: boolean;
}

export function noProxyLimit(leastMs = 10_000): ProxyLimit {
  return { leastMs, losses: [], cuts: [], foundMs: null, isHard: false };
}

const enough = 3;
const kept = 8;

/** A second, or a fiftieth: how far apart cuts at one limit are. */
function slack(ms: number): number {
  return Math.max(1_000, ms / 50);
}

/** An answer that took longer than a limit disproves it. */
export function limitAfterAnswer(limit: ProxyLimit, tookMs: number): ProxyLimit {
  const stands = (ms: number): boolean => tookMs <= ms + slack(ms);
  if (limit.cuts.every(stands) && (!limit.isHard || limit.foundMs === null || stands(limit.foundMs))) return limit;
  const isHard = limit.isHard && limit.foundMs !== null && stands(limit.foundMs);
  return { ...limit, cuts: limit.cuts.filter(stands), isHard };
}

export function limitAfterLoss(limit: ProxyLimit, afterMs: number): ProxyLimit {
  return afterMs < limit.leastMs ? limit : { ...limit, losses: [...limit.losses, afterMs].slice(-kept) };
}

/** What the first look after a loss found: an engine that does not live ended its answers itself. */
export function limitAfterLook(limit: ProxyLimit, lives: boolean): ProxyLimit {
  if (limit.losses.length === 0) return limit;
  if (!lives) return { ...limit, losses: [] };
  const cuts = [...limit.cuts, ...limit.losses].slice(-kept);
  const sorted = cuts.toSorted((a, b) => a - b);
  const at = sorted.findIndex((ms, i) => (sorted[i + enough - 1] ?? Number.POSITIVE_INFINITY) - ms <= slack(ms));
  const foundMs = sorted[at];
  if (foundMs === undefined) return { ...limit, losses: [], cuts };
  return { ...limit, losses: [], cuts: [], foundMs, isHard: limit.foundMs !== null };
}

/** Whether a loss after so long is the limit that nothing gets around: the row would meet it again. */
export function isAtHardLimit({ isHard, foundMs }: ProxyLimit, afterMs: number): boolean {
  return isHard && foundMs !== null && Math.abs(afterMs - foundMs) <= slack(foundMs);
}

/** For people. */
export function inSeconds(ms: number): string {
  return (ms / 1_000).toFixed(ms < 10_000 ? 1 : 0);
}
