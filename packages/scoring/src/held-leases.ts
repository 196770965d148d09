import { jobId } from "@assay/core";
import type { LeasedJob } from "@assay/queue";

/** The leases of the chunks that run in one worker. */
export interface HeldLeases {
  /**
   * Whether the leased chunk runs here already. Its lease lapsed, then, or was wiped, and the queue gave the job to the
   * worker that it was taken from: the chunk runs on under the new lease. A second attempt here would take the first
   * for dead, and ask its rows again.
   */
  adopt(leased: LeasedJob): boolean;
  /** The lease to run the chunk under, whichever it is by then. */
  hold(leased: LeasedJob): HeldLease;
}

export interface HeldLease extends LeasedJob {
  /** The chunk runs no more: the next lease of it is another matter. */
  letGo(): void;
}

export function openHeldLeases(): HeldLeases {
  const running = new Map<string, { renew(leased: LeasedJob): void }>();

  return {
    adopt(leased) {
      const chunk = running.get(keyOf(leased));
      chunk?.renew(leased);
      return chunk !== undefined;
    },
    hold(first) {
      const key = keyOf(first);
      let leased = first;
      let refused: (() => void) | null = null;
      const own = {
        renew(next: LeasedJob): void {
          // what has lapsed is ended for the adapter's sake: nothing of the new lease hears of it
          void leased.done();
          leased = next;
          if (refused !== null) next.onRefused(refused);
        },
      };
      // once the lease is given up the chunk may come again, and run here anew, before its end is told for good
      const letGo = (): void => void (running.get(key) === own && running.delete(key));
      running.set(key, own);
      return {
        job: first.job,
        onRefused(listener) {
          refused = listener;
          leased.onRefused(listener);
        },
        done() {
          letGo();
          return leased.done();
        },
        handBack() {
          letGo();
          return leased.handBack();
        },
        letGo,
      };
    },
  };
}

function keyOf({ job }: LeasedJob): string {
  return jobId(job.batch, job.chunk);
}
