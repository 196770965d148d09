import { AssayError } from "@assay/core";
import type { JobQueue, LeasedJob } from "@assay/queue";
import { inProcessQueue } from "@assay/queue/in-process";
import { turn, turns } from "./immediate-clock.ts";

/** One queue that several workers see, each through a view of its own, and that misfortunes befall. */
export interface WipeableQueue extends QueueView {
  /** The queue of another worker: same jobs, its own leases. */
  view(): QueueView;
  /** FLUSHALL: no job is left and no lease is renewed; everybody who holds one is told so. */
  wipe(): void;
  /** Leases of a worker that is alive lapse: others take its jobs, too, and it is told so. */
  lapse(): void;
  /** chunks that wait, as "batch.chunk" */
  added: readonly string[];
  /** what each worker told last, of those that told it since the last wipe */
  told(): string[];
}

export interface QueueView extends JobQueue {
  /** The process behind it is dead: its leases lapse, and nothing that it still calls does anything. */
  cut(): void;
}

/**
 * The in-process queue for tests: a take that finds nothing ends after a few turns instead of 3 s, and courtesies are granted
 * by count instead of by time. `away` says whether Redis does not answer now.
 */
export function wipeableQueue(away: () => boolean = () => false): WipeableQueue {
  let inner = inProcessQueue("assay.test");
  const listeners = new Set<(batch: string) => void>();
  const added: string[] = [];
  const views: { lapse(): void }[] = [];
  const told = new Map<object, string>();
  let courtesies = 0;

  const answered = async <T>(work: () => Promise<T>): Promise<T> => {
    if (away()) throw new AssayError("E_REDIS_UNAVAILABLE", "played");
    return work();
  };

  function view(): QueueView {
    let isCut = false;
    const own = new Set<{ leased: LeasedJob; refused: Set<() => void> }>();

    function lapse(): void {
      for (const { leased, refused } of own) {
        void leased.handBack();
        for (const listener of refused) listener();
      }
      own.clear();
    }

    function hold(leased: LeasedJob): LeasedJob {
      const held = { leased, refused: new Set<() => void>() };
      own.add(held);
      const end = async (back: boolean): Promise<void> => {
        if (!own.delete(held)) return;
        await (back ? leased.handBack() : leased.done());
      };
      return {
        job: leased.job,
        onRefused: (listener) => held.refused.add(listener),
        done: () => end(false),
        handBack: () => end(true),
      };
    }

    const teller = { lapse };
    views.push(teller);
    return {
      name: inner.name,
      add: (jobs) =>
        answered(async () => {
          if (isCut) return;
          for (const { batch, chunk } of jobs) added.push(`${batch}.${chunk}`);
          await inner.add(jobs);
        }),
      missing: (jobs) => answered(() => inner.missing(jobs)),
      remove: (jobs) => answered(async () => (isCut ? undefined : inner.remove(jobs))),
      virtualTime: () => inner.virtualTime(),
      lastPriority: () => inner.lastPriority(),
      async take(signal) {
        const soon = new AbortController();
        void turns(8).then(() => soon.abort());
        const leased = await inner.take(AbortSignal.any([signal, soon.signal]));
        await turn();
        if (leased === null) return null;
        if (isCut) await leased.handBack();
        return isCut ? null : hold(leased);
      },
      async nudge(batch) {
        if (!isCut) for (const listener of listeners) listener(batch);
      },
      onNudge(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      onReconnect: () => () => {},
      async courtesy(task) {
        courtesies += 1;
        return task === "reconcile-empty" || courtesies % 4 === 0;
      },
      async tell(text) {
        if (text === null) told.delete(teller);
        else if (!isCut && !away()) told.set(teller, text);
      },
      close: async () => {},
      cut() {
        isCut = true;
        lapse();
      },
    };
  }

  return {
    ...view(),
    view,
    added,
    told: () => [...told.values()],
    wipe() {
      told.clear();
      const old = inner;
      inner = inProcessQueue("assay.test");
      for (const each of views) each.lapse();
      void old.close();
    },
    lapse() {
      for (const each of views) each.lapse();
    },
  };
}
