import type { LoopClock } from "./engine-loop.ts";

export interface VirtualClock extends LoopClock {
  /** Moves on to `time`; what was scheduled until then runs on the way, each at its own time, in the order of time. */
  goTo(time: number): void;
}

/** Runs at one moment after which the loop is taken to spin. */
const mostAtOnce = 100_000;

/** Time that stands still until it is moved: an hour of an engine in a second. */
export function virtualClock(): VirtualClock {
  let now = 0;
  const events = new Set<{ readonly at: number; readonly run: () => void }>();
  const first = () => {
    let found: { readonly at: number; readonly run: () => void } | null = null;
    for (const event of events) if (found === null || event.at < found.at) found = event;
    return found;
  };
  return {
    now: () => now,
    schedule(ms, run) {
      const event = { at: now + ms, run };
      events.add(event);
      return () => void events.delete(event);
    },
    goTo(time) {
      let atOnce = 0;
      for (let next = first(); next !== null && next.at <= time; next = first()) {
        atOnce = next.at > now ? 0 : atOnce + 1;
        if (atOnce > mostAtOnce) throw new Error(`virtualClock: what is scheduled spins at ${now}`);
        events.delete(next);
        now = Math.max(now, next.at);
        next.run();
      }
      now = Math.max(now, time);
    },
  };
}
