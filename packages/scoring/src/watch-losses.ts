import type { Fate } from "@assay/engine";
import type { Clock } from "./clock.ts";

/** What became of the engines that an attempt at a chunk lost while its rows were in flight there. */
export interface Losses {
  /** aborts when one died, or may have died: no further row of the attempt is sent */
  readonly died: AbortSignal;
  note(fate: Promise<Fate>): void;
  /** Resolves when of each loss it is known, or given up, whether the engine lives: what is sent next might kill another. */
  settled(): Promise<void>;
  /** Whether all live after all: known when one has died or all are back, which may be long after the attempt. */
  allLive(): Promise<boolean>;
}

/** Longer than a look at an engine that answers takes; a restart takes minutes, and other engines are idle meanwhile. */
const patienceMs = 10_000;

export function watchLosses(clock: Clock, signal: AbortSignal): Losses {
  const died = new AbortController();
  const fates: Promise<Fate>[] = [];
  const open = new Set<Promise<void>>();

  async function settle(fate: Promise<Fate>): Promise<void> {
    const enough = new AbortController();
    const patience = clock.sleep(patienceMs, AbortSignal.any([signal, enough.signal])).then(() => "unknown" as const);
    const known = await Promise.race([fate, patience]);
    enough.abort();
    // of what is not known the worse is believed; `allLive` puts it right
    if (known !== "lives") died.abort();
  }

  return {
    died: died.signal,
    note(fate) {
      fates.push(fate);
      const settling = settle(fate).finally(() => open.delete(settling));
      open.add(settling);
    },
    async settled() {
      while (open.size > 0) await Promise.all(open);
    },
    allLive: () =>
      new Promise((resolve) => {
        const note = (fate: Fate): void => {
          if (fate === "died") resolve(false);
        };
        for (const fate of fates) void fate.then(note);
        void Promise.all(fates).then(() => resolve(true));
      }),
  };
}
