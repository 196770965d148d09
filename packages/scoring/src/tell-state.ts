import { encodeWorkerState, type WorkerState } from "@assay/core";
import type { JobQueue } from "@assay/queue";
import type { Clock } from "./clock.ts";
import type { Away } from "./watch-store.ts";

/** Said again this often: a wiped Redis has it back by then. */
export const tellEveryMs = 15_000;
/** A worker that is gone is no longer shown after this long; one beat may be lost and one be late. */
const tellForMs = 50_000;

/** What a worker sees when it looks at itself. */
export interface Seen extends Pick<WorkerState, "batches" | "refused" | "rows_on_disk" | "rows_in_memory" | "is_full"> {
  readonly storeAway: Away | null;
  readonly engineAway: Away | null;
  readonly isDraining: boolean;
}

export interface StateTold {
  /** Tells at once where it does something else by now; else the next beat is soon enough. */
  changed(): void;
  /** Takes it away; told no more. */
  stop(): Promise<void>;
}

/**
 * Tells through the queue what this worker does, at once and from then on every 15 s, until it is stopped: nothing is
 * left behind then. For people alone: nothing waits for it, and nobody who works reads it.
 */
export function tellState(
  queue: JobQueue,
  clock: Clock,
  who: Pick<WorkerState, "name" | "root" | "model">,
  look: () => Seen,
): StateTold {
  let before: { does: WorkerState["does"]; since: number } | null = null;

  function tell(isBeat: boolean): void {
    const { storeAway, engineAway, isDraining, ...seen } = look();
    const { does, away } = doing(storeAway, engineAway, isDraining, seen.batches);
    if (!isBeat && does === before?.does) return;
    const since = away?.since ?? (before?.does === does ? before.since : clock.now());
    before = { does, since };
    const state = { ...who, does, since: new Date(since).toISOString(), why: away?.why ?? null, ...seen };
    void queue.tell(encodeWorkerState(state), tellForMs);
  }

  tell(true);
  const stopBeat = clock.every(tellEveryMs, () => tell(true));
  return {
    changed: () => tell(false),
    stop() {
      stopBeat();
      return queue.tell(null, 0);
    },
  };
}

function doing(
  storeAway: Away | null,
  engineAway: Away | null,
  isDraining: boolean,
  batches: readonly string[],
): { does: WorkerState["does"]; away: Away | null } {
  if (storeAway !== null) return { does: "waits-for-store", away: storeAway };
  if (engineAway !== null) return { does: "waits-for-engine", away: engineAway };
  return { does: isDraining ? "drains" : batches.length > 0 ? "scores" : "rests", away: null };
}
