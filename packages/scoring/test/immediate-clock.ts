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

/** Resolves once `happened` says so, looked at every turn. */
export async function until(happened: () => boolean): Promise<void> {
  while (!happened()) await turn();
}

/** A small seeded generator (mulberry32): numbers from 0 up to, but without, 1. */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
