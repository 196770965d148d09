import { jobId } from "@assay/core";
import type { Job, JobQueue, LeasedJob } from "./port.ts";

/** The queue for one process that has no Redis: same contract, in memory; its jobs end with the process. */
export function inProcessQueue(name: string): JobQueue {
  const waiting = new Map<string, Job & { priority: number; order: number }>();
  const active = new Set<string>();
  const takers = new Set<() => void>();
  const listeners = new Set<(batch: string) => void>();
  const courtesies = new Map<string, number>();
  let order = 0;
  let closed = false;

  const wake = (): void => {
    for (const taker of takers) taker();
  };

  function next(): (Job & { priority: number }) | null {
    let first: (Job & { priority: number; order: number }) | null = null;
    for (const job of waiting.values()) {
      if (
        first === null ||
        job.priority < first.priority ||
        (job.priority === first.priority && job.order < first.order)
      )
        first = job;
    }
    return first;
  }

  function lease(job: Job & { priority: number }): LeasedJob {
    const id = jobId(job.batch, job.chunk);
    waiting.delete(id);
    active.add(id);
    let over = false;
    const end = (back: boolean): Promise<void> => {
      if (!over) {
        over = true;
        active.delete(id);
        // before all others: old work is finished first
        if (back) waiting.set(id, { ...job, priority: 0, order: -1 });
        wake();
      }
      return Promise.resolve();
    };
    return {
      job: { batch: job.batch, chunk: job.chunk },
      onRefused: () => {},
      done: () => end(false),
      handBack: () => end(true),
    };
  }

  return {
    name,
    async add(jobs) {
      for (const job of jobs) {
        const id = jobId(job.batch, job.chunk);
        if (!waiting.has(id) && !active.has(id)) waiting.set(id, { ...job, order: order++ });
      }
      wake();
    },
    async missing(jobs) {
      return jobs.filter(({ batch, chunk }) => !waiting.has(jobId(batch, chunk)) && !active.has(jobId(batch, chunk)));
    },
    async remove(jobs) {
      for (const { batch, chunk } of jobs) waiting.delete(jobId(batch, chunk));
    },
    async virtualTime() {
      // jobs handed back stand before all others and say nothing about the time
      const priorities = [...waiting.values()].map(({ priority }) => priority).filter((priority) => priority > 0);
      return priorities.reduce((least, priority) => Math.min(least, priority), priorities[0] ?? 0);
    },
    async lastPriority() {
      return [...waiting.values()].reduce((most, { priority }) => Math.max(most, priority), 0);
    },
    async take(signal) {
      const found = next();
      if (found !== null && !signal.aborted && !closed) return lease(found);
      if (signal.aborted || closed) return null;
      await new Promise<void>((resolve) => {
        const end = (): void => {
          clearTimeout(timer);
          takers.delete(end);
          signal.removeEventListener("abort", end);
          resolve();
        };
        const timer = setTimeout(end, 3_000);
        takers.add(end);
        signal.addEventListener("abort", end, { once: true });
      });
      const job = next();
      return job === null || signal.aborted || closed ? null : lease(job);
    },
    async nudge(batch) {
      for (const listener of listeners) listener(batch);
    },
    onNudge(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onReconnect: () => () => {},
    async courtesy(task, forMs) {
      const now = Date.now();
      if ((courtesies.get(task) ?? 0) > now) return false;
      courtesies.set(task, now + forMs);
      return true;
    },
    // nobody looks into this process
    tell: async () => {},
    async close() {
      closed = true;
      wake();
    },
  };
}
