import type { Clock } from "../src/clock.ts";

/**
 * A clock on which nothing waits in real time: sleeping takes one turn of the event loop and moves the time on by what
 * was slept. `random` counts behind a prefix, so that two processes of one test never draw the same id.
 */
export function immediateClock(prefix = "a", startMs = Date.UTC(2026, 0, 1)): Clock & { readonly slept: number[] } {
  let nowMs = startMs;
  let drawn = 0;
  const slept: number[] = [];
  return {
    slept,
    now: () => nowMs,
    sleep: async (ms, signal) => {
      if (signal.aborted) return;
      slept.push(ms);
      nowMs += ms;
      await turn();
    },
    // not moved on by sleeping: a test that wants it to tick fakes the timers
    every: (ms, tell) => {
      const timer = setInterval(tell, ms);
      return () => clearInterval(timer);
    },
    random: () => {
      drawn += 1;
      return prefix + drawn.toString(16).padStart(16 - prefix.length, "0");
    },
  };
}

/** One turn of the event loop: every promise that could go on has gone on. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await turn();
}

/** Resolves once `happened` says so, looked at every turn. */
export async function until(happened: () => boolean): Promise<void> {
  while (!happened()) await turn();
}
