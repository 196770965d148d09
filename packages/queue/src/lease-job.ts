import type { Job as BullJob } from "bullmq";
import { within } from "./assert-redis.ts";
import type { LeasedJob } from "./port.ts";

export interface ChunkData {
  readonly batch: string;
  readonly chunk: number;
}

export interface Lease extends LeasedJob {
  /** Renews no more: the lease lapses. */
  lapse(): void;
}

/**
 * The lease of a job that was fetched with `token`, renewed at half its time until it ends. No answer is no refusal (a
 * Redis that is away is waited for); a lock that is gone or another's is answered by 0. Ending the lease holds up its
 * caller for `patienceMs` at most: the command is sent when Redis is back. `onEnd` is called once.
 */
export function leaseJob(
  job: BullJob<ChunkData>,
  token: string,
  options: { lockMs: number; patienceMs: number; onEnd: () => void },
): Lease {
  let over = false;
  let asking = false;
  let wasRefused = false;
  let refused: (() => void) | null = null;

  const timer = setInterval(() => {
    // one question at a time: after an outage a pile of them would be refused one by one
    if (asking) return;
    asking = true;
    job
      .extendLock(token, options.lockMs)
      .then(
        (extended) => {
          if (Number(extended) !== 1) onRefusal();
        },
        () => {},
      )
      .finally(() => {
        asking = false;
      });
  }, options.lockMs / 2);

  function onRefusal(): void {
    if (over) return;
    clearInterval(timer);
    wasRefused = true;
    refused?.();
  }

  function lapse(): void {
    over = true;
    clearInterval(timer);
    options.onEnd();
  }

  async function end(work: () => Promise<unknown>): Promise<void> {
    if (over) return;
    lapse();
    await within(work(), options.patienceMs).catch(() => {});
  }

  /** BullMQ puts a job back where its priority stood; old work is to be finished first, and is no virtual time. */
  async function toTheHead(): Promise<void> {
    await job.moveToWait(token);
    await job.changePriority({ priority: 0, lifo: true });
  }

  return {
    job: { batch: job.data.batch, chunk: job.data.chunk },
    onRefused(listener) {
      refused = listener;
      if (wasRefused) listener();
    },
    done: () => end(() => job.moveToCompleted(null, token, false)),
    handBack: () => end(toTheHead),
    lapse,
  };
}
