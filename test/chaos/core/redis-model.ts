import { AssayError, jobId } from "@assay/core";
import type { Job, JobQueue, LeasedJob } from "@assay/queue";
import type { Faulty } from "./befall.ts";
import type { FaultKind } from "./night.ts";
import type { VirtualProcess, VirtualWorld } from "./virtual-world.ts";

/** The Redis of a night with its one queue, as bullmqQueue behaves over it: same times, same promises (queue/src/port.ts). */
export interface RedisModel {
  /** The queue as one process sees it; `die` ends that process as faults do. */
  view(process: VirtualProcess, faults: Faulty, die: () => void): JobQueue;
  befall(kind: FaultKind, ms: number): void;
  /** the jobs of all batches that nobody has in hand */
  waiting(): Job[];
  /** what else is kept in Redis, by keys that no queue has: gone with a wipe */
  readonly strings: Map<string, string>;
}

/** What takes place in the queue, in the order in which it does. */
export type QueueEvent =
  /** a process was told the virtual time */
  | { readonly kind: "time"; readonly process: VirtualProcess; readonly time: number }
  /** a process has asked for jobs of a batch, and so many of them are there */
  | { readonly kind: "missing"; readonly process: VirtualProcess; readonly batch: string; readonly known: number }
  | { readonly kind: "add"; readonly process: VirtualProcess; readonly offered: number; readonly accepted: Job[] }
  /** priority 0: it was in somebody's hands before */
  | { readonly kind: "take"; readonly process: VirtualProcess; readonly job: Job; readonly priority: number }
  /** `removed` are those that waited */
  | {
      readonly kind: "remove";
      readonly process: VirtualProcess;
      readonly jobs: readonly Job[];
      readonly removed: Job[];
    }
  /** a process ends a job that it does not hand back; `lapsed`: it was told, or may be told yet, that it is another's */
  | { readonly kind: "end"; readonly process: VirtualProcess; readonly job: Job; readonly lapsed: boolean }
  /** jobs were lost, or are those of an earlier time */
  | { readonly kind: "upset" };

interface Entry {
  readonly job: Job;
  /** 0 = before all others: it was handed back, or its lease lapsed */
  priority: number;
  readonly order: number;
  /** limbo: its hash is there, and it stands in no list */
  state: "waiting" | "active" | "limbo";
  lease: Lease | null;
}
interface Lease {
  readonly process: VirtualProcess;
  /** it lapsed although its process lives */
  lapsed: boolean;
  over: boolean;
  refused: boolean;
  readonly listeners: Set<() => void>;
}

/** As short as a fleet may set it: half of what the product takes by itself, for nights that wait less. */
const lockMs = 30_000;
/** Three times the product's: whoever looks around in vain is most of what a night costs. */
const takeMs = 9_000;
const limitMs = 10_000;
const patienceMs = 2_000;

export function redisModel(world: VirtualWorld, hear: (event: QueueEvent) => void): RedisModel {
  let entries = new Map<string, Entry>();
  let saved: Map<string, Entry> | null = null;
  const strings = new Map<string, string>();
  const courtesies = new Map<string, number>();
  const leases = new Set<Lease>();
  const takers = new Set<() => void>();
  const subscribers = new Set<{ process: VirtualProcess; listener: (batch: string) => void }>();
  const connected = new Set<{ process: VirtualProcess; listener: () => void }>();
  let order = 0;
  let awayUntil = 0;
  let deafUntil = 0;

  const isAway = (): boolean => world.now() < awayUntil;
  const waiting = (): Entry[] => [...entries.values()].filter(({ state }) => state === "waiting");

  /** A process that is gone, or stands still, renews no more: its lease lapses, and a check of stalled jobs finds it. */
  function hasLapsed({ process, lapsed }: Lease): boolean {
    const since = process.silentSince;
    return lapsed || (since !== null && world.now() > since + lockMs);
  }

  function checkStalled(): void {
    for (const entry of entries.values()) {
      if (entry.state !== "active" || entry.lease === null || !hasLapsed(entry.lease)) continue;
      refuse(entry.lease, lockMs / 2);
      freed(entry);
    }
  }

  /** As BullMQ puts a stalled job: at the head, outside of the virtual time. */
  function freed(entry: Entry): void {
    entry.state = "waiting";
    entry.priority = 0;
    entry.lease = null;
  }

  /** The next renewal is refused, within `ms`. */
  function refuse(lease: Lease, ms: number): void {
    lease.lapsed = true;
    leases.delete(lease);
    lease.process.call(world.between(0, ms), () => {
      if (lease.over || lease.refused) return;
      lease.refused = true;
      for (const listener of lease.listeners) listener();
    });
  }

  function nextEntry(): Entry | null {
    checkStalled();
    return waiting().sort((a, b) => a.priority - b.priority || a.order - b.order)[0] ?? null;
  }

  function wake(): void {
    for (const taker of takers) taker();
  }

  function view(process: VirtualProcess, faults: Faulty, die: () => void): JobQueue {
    /** A command waits for a Redis that is away, `limit` of it in sight of its caller; it is sent in the end, unless it is `given up`. */
    async function ask<T>(work: () => T, limit: number, otherwise: () => T, givenUp = false): Promise<T> {
      const { diesAfter } = faults.note(process);
      if (isAway()) {
        if (awayUntil - world.now() > limit) {
          if (!givenUp) world.after(awayUntil - world.now(), () => process.alive && work());
          return process.operate(limit, otherwise);
        }
        return process.operate(awayUntil - world.now() + 1, work);
      }
      return process.operate(world.between(1, 5), () => {
        // it went away in between
        const result = isAway() ? otherwise() : work();
        if (diesAfter) die();
        return result;
      });
    }
    const refusal = (): never => {
      throw new AssayError("E_REDIS_UNAVAILABLE", "the Redis of this night is away");
    };

    function lease(entry: Entry): LeasedJob {
      const own: Lease = {
        process,
        lapsed: false,
        over: false,
        refused: false,
        listeners: new Set(),
      };
      leases.add(own);
      entry.state = "active";
      entry.lease = own;
      hear({ kind: "take", process, job: entry.job, priority: entry.priority });
      const end = (back: boolean): Promise<void> => {
        if (own.over) return Promise.resolve();
        own.over = true;
        if (!back) hear({ kind: "end", process, job: entry.job, lapsed: own.lapsed });
        return ask(
          () => {
            leases.delete(own);
            const id = jobId(entry.job.batch, entry.job.chunk);
            // the lock is another's, or gone
            if (entries.get(id)?.lease !== own) return;
            entries.delete(id);
            if (back) entries.set(id, { job: entry.job, priority: 0, order: -1, state: "waiting", lease: null });
            wake();
          },
          patienceMs,
          () => {},
        );
      };
      return {
        job: entry.job,
        onRefused(listener) {
          own.listeners.add(listener);
          if (own.refused) listener();
        },
        done: () => end(false),
        handBack: () => end(true),
      };
    }

    return {
      name: "assay.night",
      add: (jobs) =>
        ask(
          () => {
            const accepted: Job[] = [];
            for (const { priority, ...job } of jobs) {
              const id = jobId(job.batch, job.chunk);
              order += 1;
              if (entries.has(id)) continue;
              entries.set(id, { job, priority, order, state: "waiting", lease: null });
              accepted.push(job);
            }
            hear({ kind: "add", process, offered: jobs.length, accepted });
            wake();
          },
          limitMs,
          refusal,
        ),
      missing: (jobs) =>
        ask(
          () => {
            const absent = jobs.filter(({ batch, chunk }) => {
              const entry = entries.get(jobId(batch, chunk));
              return entry === undefined || entry.state === "limbo";
            });
            const [first] = jobs;
            if (first !== undefined)
              hear({ kind: "missing", process, batch: first.batch, known: jobs.length - absent.length });
            return absent;
          },
          limitMs,
          refusal,
        ),
      remove: (jobs) =>
        ask(
          () => {
            const removed: Job[] = [];
            for (const { batch, chunk } of jobs) {
              const id = jobId(batch, chunk);
              const entry = entries.get(id);
              if (entry === undefined || (entry.lease !== null && !hasLapsed(entry.lease))) continue;
              entries.delete(id);
              if (entry.state === "waiting") removed.push(entry.job);
            }
            hear({ kind: "remove", process, jobs, removed });
          },
          limitMs,
          refusal,
        ),
      virtualTime: () =>
        ask(
          () => {
            const priorities = waiting().flatMap(({ priority }) => (priority > 0 ? [priority] : []));
            const time = priorities.length === 0 ? 0 : Math.min(...priorities);
            hear({ kind: "time", process, time });
            return time;
          },
          limitMs,
          refusal,
        ),
      lastPriority: () => ask(() => Math.max(0, ...waiting().map(({ priority }) => priority)), limitMs, refusal),
      async take(signal) {
        const endsAt = world.now() + takeMs;
        while (!signal.aborted && world.now() < endsAt) {
          const taken = await ask(
            () => {
              const entry = signal.aborted ? null : nextEntry();
              return entry === null ? null : lease(entry);
            },
            takeMs,
            () => null,
            true,
          );
          if (taken !== null) {
            if (!signal.aborted) return taken;
            await taken.handBack();
            return null;
          }
          if (signal.aborted) return null;
          await untilWoken(signal, endsAt);
        }
        return null;
      },
      async nudge(batch) {
        await ask(
          () => {
            for (const { process: other, listener } of subscribers)
              if (world.now() >= deafUntil) other.call(world.between(1, 20), () => listener(batch));
          },
          patienceMs,
          () => {},
        );
      },
      onNudge(listener) {
        const subscriber = { process, listener };
        subscribers.add(subscriber);
        return () => subscribers.delete(subscriber);
      },
      onReconnect(listener) {
        const one = { process, listener };
        connected.add(one);
        return () => connected.delete(one);
      },
      courtesy: (task, forMs) =>
        ask(
          () => {
            if ((courtesies.get(task) ?? 0) > world.now()) return false;
            courtesies.set(task, world.now() + forMs);
            return true;
          },
          patienceMs,
          () => true,
        ),
      // for people, and none looks in
      tell: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };

    /** Looked at every quarter of a second, which a waker makes sooner here: fewer events, and the same end. */
    async function untilWoken(signal: AbortSignal, endsAt: number): Promise<void> {
      const { over, wake } = process.doze(Math.max(0, endsAt - world.now()));
      takers.add(wake);
      signal.addEventListener("abort", wake, { once: true });
      await over;
      takers.delete(wake);
      signal.removeEventListener("abort", wake);
    }
  }

  return {
    view,
    strings,
    waiting: () => waiting().map(({ job }) => job),
    befall(kind, ms) {
      const refuseAll = (): void => {
        for (const lease of [...leases]) refuse(lease, lockMs / 2);
      };
      switch (kind) {
        case "redis-wiped":
          entries.clear();
          courtesies.clear();
          strings.clear();
          refuseAll();
          hear({ kind: "upset" });
          break;
        case "redis-saved":
          saved = copyOf(entries);
          break;
        case "redis-restored": {
          // an old file: what was in somebody's hands then may be in nobody's now
          entries = copyOf(saved ?? new Map());
          strings.clear();
          hear({ kind: "upset" });
          for (const lease of [...leases])
            if (![...entries.values()].some((entry) => entry.lease === lease)) refuse(lease, lockMs / 2);
          for (const entry of entries.values()) if (entry.lease?.over === true) entry.lease.lapsed = true;
          for (const { process, listener } of connected) process.call(world.between(10, 2_000), listener);
          break;
        }
        case "redis-away":
          awayUntil = world.now() + ms;
          for (const { process, listener } of connected) process.call(ms + world.between(10, 2_000), listener);
          // nobody can renew, and time goes on in Redis
          if (ms > lockMs)
            for (const lease of [...leases]) world.after(ms, () => lease.over || refuse(lease, lockMs / 2));
          break;
        case "redis-limbo": {
          const first = waiting()[0];
          if (first !== undefined) first.state = "limbo";
          hear({ kind: "upset" });
          break;
        }
        case "lease-lapses":
          for (const lease of [...leases]) refuse(lease, lockMs / 2);
          for (const entry of entries.values()) {
            if (entry.state === "active") freed(entry);
          }
          break;
        case "nudges-lost":
          deafUntil = world.now() + ms;
          break;
        default:
          throw new Error(`no fault of Redis: ${kind}`);
      }
      wake();
    },
  };
}

function copyOf(entries: ReadonlyMap<string, Entry>): Map<string, Entry> {
  return new Map([...entries].map(([id, entry]) => [id, { ...entry }]));
}
