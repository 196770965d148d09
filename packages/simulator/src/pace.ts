/**
 * How fast rows write. `at` turns clock time into the time that a row alone would have needed for what it wrote since:
 * the two are the same where rows do not disturb each other. Otherwise all rows write one token in each step, a step
 * takes `alone + (rows - 1) / engineTokensPerSecond`, and a prefill holds every row up.
 */
export interface Pace {
  /** ms of writing that were possible until `now`, which is never earlier than in the call before */
  at(now: number): number;
  /** when `at` will be `written`, if no rows come or go; never before `now` */
  when(written: number, now: number): number;
  /** From `now` on so many rows write. */
  set(now: number, rows: number): void;
  /** A prefill of `ms` begins, behind those that were begun before. Returns the `at` from which its row writes. */
  prefill(now: number, ms: number): number;
}

export function createPace(settings: {
  readonly tokensPerSecond: number;
  readonly engineTokensPerSecond: number;
}): Pace {
  const { tokensPerSecond, engineTokensPerSecond } = settings;
  if (tokensPerSecond === 0 || engineTokensPerSecond === 0) {
    return { at: (now) => now, when: Math.max, set() {}, prefill: (now, ms) => now + ms };
  }
  const stepMs = { alone: 1_000 / tokensPerSecond, more: 1_000 / engineTokensPerSecond };
  let written = 0;
  /** clock time at which `written` was true and writing goes on */
  let from = 0;
  let share = 1;

  const at = (now: number): number => written + Math.max(0, now - from) * share;
  const anchor = (now: number): void => {
    written = at(now);
    from = Math.max(from, now);
  };
  return {
    at,
    when: (later, now) => Math.max(now, from + (later - written) / share),
    set(now, rows) {
      anchor(now);
      share = stepMs.alone / (stepMs.alone + Math.max(0, rows - 1) * stepMs.more);
    },
    prefill(now, ms) {
      anchor(now);
      from += ms;
      return written;
    },
  };
}
