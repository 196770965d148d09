/**
 * A clock that stands still until a test moves it. Has the shape of scoring's Clock. `random` counts, so a test gives
 * the same names each time it runs.
 */
export interface ManualClock {
  /** epoch milliseconds */
  now(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  every(ms: number, tell: () => void): () => void;
  /** 16 hex digits: 1, 2, 3, … */
  random(): string;
  /**
   * Moves on by `ms`. Sleepers wake in order of their time, equal times in order of falling asleep, each at its own
   * time, and what a woken one does at once (sleep again, too) is done before the next wakes.
   */
  advance(ms: number): Promise<void>;
  /** How many sleep now. */
  sleepers(): number;
  /** Resolves when at least `count` sleep: what a test awaits before it advances. */
  untilSleeping(count: number): Promise<void>;
}

interface Sleeper {
  readonly at: number;
  wake(): void;
}

export function manualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let nowMs = startMs;
  let drawn = 0;
  const asleep = new Set<Sleeper>();
  const waiting = new Set<{ count: number; resolve: () => void }>();

  /** The first to wake; a Set keeps the order of falling asleep, which decides between equal times. */
  function firstDue(untilMs: number): Sleeper | undefined {
    let first: Sleeper | undefined;
    for (const sleeper of asleep) {
      if (sleeper.at <= untilMs && (first === undefined || sleeper.at < first.at)) first = sleeper;
    }
    return first;
  }

  const sleep: ManualClock["sleep"] = (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const sleeper: Sleeper = {
        at: nowMs + ms,
        wake() {
          asleep.delete(sleeper);
          signal.removeEventListener("abort", sleeper.wake);
          resolve();
        },
      };
      asleep.add(sleeper);
      signal.addEventListener("abort", sleeper.wake, { once: true });
      for (const waiter of waiting) if (asleep.size >= waiter.count) waiter.resolve();
    });

  return {
    now: () => nowMs,
    sleep,
    every(ms, tell) {
      const stop = new AbortController();
      void (async () => {
        for (;;) {
          await sleep(ms, stop.signal);
          if (stop.signal.aborted) return;
          tell();
        }
      })();
      return () => stop.abort();
    },
    random() {
      drawn += 1;
      return drawn.toString(16).padStart(16, "0");
    },
    sleepers: () => asleep.size,

    async advance(ms) {
      const untilMs = nowMs + ms;
      await settle();
      for (let next = firstDue(untilMs); next !== undefined; next = firstDue(untilMs)) {
        nowMs = Math.max(nowMs, next.at);
        next.wake();
        await settle();
      }
      nowMs = untilMs;
    },

    untilSleeping: (count) =>
      new Promise((resolve) => {
        if (asleep.size >= count) return resolve();
        const waiter = {
          count,
          resolve: () => {
            waiting.delete(waiter);
            resolve();
          },
        };
        waiting.add(waiter);
      }),
  };
}

/** One turn of the event loop: every promise that could go on has gone on. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
