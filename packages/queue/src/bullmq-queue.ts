import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { jobId } from "@assay/core";
import { type Job as BullJob, Queue, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { within } from "./assert-redis.ts";
import { findMissing } from "./find-missing.ts";
import { hangUp } from "./hang-up.ts";
import { type ChunkData, type Lease, leaseJob } from "./lease-job.ts";
import type { JobQueue, LeasedJob } from "./port.ts";
import { rateLimited } from "./rate-limited.ts";
import { redisError } from "./redis-error.ts";
import { removeJobs } from "./remove-jobs.ts";
import { untilOver } from "./until-over.ts";
import { putState, stateKey } from "./worker-states.ts";

export interface BullmqOptions {
  /**
   * Makes a connection to the one Redis; called up to three times, and BullMQ duplicates one of them; all are cut by
   * close(). Wants maxRetriesPerRequest null, so that commands wait for a Redis that is away.
   */
  readonly connect: () => Redis;
  readonly name: string;
  /** who holds a lease, for people who look into Redis */
  readonly workerName: string;
  /** BullMQ's and ioredis's complaints, at most one in ten seconds */
  readonly onWarning?: (text: string) => void;
  /**
   * a lease lapses after this long without renewal. Short, since a worker that lost one in an event loop that was
   * blocked, or a Redis that failed over, looks into the store and goes on: a lost lease costs no work
   */
  readonly lockMs?: number;
  /** how often lapsed leases are looked for; a dead worker's chunk is free after lockMs + up to 3 of these */
  readonly stalledMs?: number;
  /** how long add, missing and remove wait for a Redis that is away */
  readonly limitMs?: number;
  /** how often an empty queue is looked at; a blocking read could not be ended without cutting its connection */
  readonly pollMs?: number;
}

interface Fetch {
  readonly token: string;
  readonly job: Promise<BullJob<ChunkData> | undefined>;
  /** nobody waits for it: its job goes back at once, unless the next take claims it before */
  abandoned: boolean;
}

const prefix = "{assay}";
/** Jobs per addBulk: one script call each, in one pipeline. */
const sliceJobs = 500;
/** A take ends empty-handed after this, so that its caller can look around. */
const takeMs = 3_000;
/** How long a lease's end, a nudge or close() may hold up its caller when Redis is away. */
const patienceMs = 2_000;
/** BullMQ keeps the priority in the upper part of a score, a counter in the lower 32 bits. */
const priorityStep = 2 ** 32;
/** A job beyond this priority would be refused by BullMQ. */
const lowestPriority = 2 ** 21 - 1;

/**
 * The queue on Redis through BullMQ. Jobs are fetched one by one (`getNextJob`) and their leases renewed here, since a
 * BullMQ processor would take jobs up to its concurrency whether the engines have room or not, and since a refused
 * renewal has to be seen: see docs/decisions/0005.
 */
export function bullmqQueue(options: BullmqOptions): JobQueue {
  const { name, lockMs = 20_000, stalledMs = 5_000, limitMs = 10_000, pollMs = 250 } = options;
  const say = rateLimited(options.onWarning ?? (() => {}));
  /** Takes end, and nothing is complained about any more: connections that are cut complain. */
  const closing = new AbortController();
  const warn = (text: string): void => {
    if (!closing.signal.aborted) say(text);
  };
  const redis = options.connect();
  const workerRedis = options.connect();
  let subscriber: Redis | null = null;
  const listeners = new Set<(batch: string) => void>();
  const reconnected = new Set<() => void>();
  const leases = new Set<Lease>();
  let ready = false;
  for (const connection of [redis, workerRedis])
    connection.on("error", (error: Error) => warn(`Redis: ${error.message}`));
  workerRedis.on("ready", () => {
    if (ready) for (const listener of reconnected) listener();
    ready = true;
  });

  const queue = new Queue<ChunkData>(name, { connection: redis, prefix, skipMetasUpdate: true });
  queue.on("error", (error) => warn(`BullMQ: ${error.message}`));
  const worker = new Worker<ChunkData>(name, null, {
    connection: workerRedis,
    prefix,
    autorun: false,
    name: options.workerName,
    lockDuration: lockMs,
    stalledInterval: stalledMs,
    // spot kills are normal life: the default of 1 would fail a chunk at its second kill
    maxStalledCount: 1_000_000,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  });
  worker.on("error", (error) => warn(`BullMQ: ${error.message}`));
  let checksStalled = false;
  let leftOver: Fetch | null = null;
  const taking = new Set<Promise<unknown>>();
  const handingBack = new Set<Promise<void>>();
  const ownState = stateKey(name, randomUUID());
  let telling: Promise<void> | null = null;

  const asked = async <T>(what: string, work: Promise<T>): Promise<T> => {
    try {
      return await within(work, limitMs);
    } catch (cause) {
      throw redisError(`Redis does not take ${what}`, name, cause);
    }
  };

  return {
    name,

    async add(jobs) {
      for (let from = 0; from < jobs.length; from += sliceJobs) {
        const slice = jobs.slice(from, from + sliceJobs).map(({ batch, chunk, priority }) => ({
          name: "score",
          data: { batch, chunk },
          opts: {
            jobId: jobId(batch, chunk),
            priority: Math.min(priority, lowestPriority),
            removeOnComplete: true,
            removeOnFail: true,
            sizeLimit: 4_096,
            stackTraceLimit: 1,
          },
        }));
        await asked("jobs", queue.addBulk(slice));
      }
    },

    async missing(jobs) {
      if (jobs.length === 0) return [];
      const ids = jobs.map(({ batch, chunk }) => jobId(batch, chunk));
      const missing = await asked("questions", findMissing(redis, queue, ids));
      return jobs.filter((_, i) => missing.has(ids[i] ?? ""));
    },

    async remove(jobs) {
      for (let from = 0; from < jobs.length; from += sliceJobs) {
        const ids = jobs.slice(from, from + sliceJobs).map(({ batch, chunk }) => jobId(batch, chunk));
        await asked("removals", removeJobs(redis, queue, ids));
      }
    },

    virtualTime: () => asked("questions", priorityAt("0")),
    lastPriority: () => asked("questions", priorityAt("-1")),

    async take(signal) {
      if (!checksStalled && !closing.signal.aborted) {
        checksStalled = true;
        void worker.startStalledCheckTimer();
      }
      const work = takeNext([signal, closing.signal]);
      taking.add(work);
      return work.finally(() => taking.delete(work));
    },

    async nudge(batch) {
      await within(redis.publish(channelOf(name), batch), patienceMs).catch(() => {});
    },

    onNudge(listener) {
      listeners.add(listener);
      if (subscriber === null && !closing.signal.aborted) {
        const own = options.connect();
        subscriber = own;
        // ioredis leaves the answer to its own resubscription to nobody: one that is refused or cut off ends the process
        own.options.autoResubscribe = false;
        own.on("ready", () => void own.subscribe(channelOf(name)).catch(() => {}));
        own.on("error", (error: Error) => warn(`Redis: ${error.message}`));
        own.on("message", (_channel: string, batch: string) => {
          for (const each of listeners) each(batch);
        });
      }
      return () => listeners.delete(listener);
    },

    onReconnect(listener) {
      reconnected.add(listener);
      return () => reconnected.delete(listener);
    },

    async courtesy(task, forMs) {
      const key = `${prefix}:${name}:courtesy:${task}`;
      const given =
        forMs === 0
          ? redis.exists(key).then((found) => found === 0)
          : redis.set(key, options.workerName, "PX", forMs, "NX").then((answer) => answer === "OK");
      return within(given, patienceMs).catch(() => true);
    },

    async tell(text, forMs) {
      // while Redis is away one call waits there, not one for each time that it is said again
      if (telling !== null && text !== null) return;
      const own = putState(redis, ownState, text, forMs).finally(() => {
        telling = null;
      });
      telling = own;
      await within(own, patienceMs).catch(() => {});
    },

    async close() {
      closing.abort();
      for (const lease of leases) lease.lapse();
      const back = Promise.allSettled(taking).then(() => Promise.allSettled(handingBack));
      await within(back, patienceMs).catch(() => {});
      // whether all jobs went back or not: the worker has a connection of its own that would keep the process alive
      await within(Promise.allSettled([worker.close(true), queue.close()]), patienceMs).catch(() => {});
      for (const connection of [redis, workerRedis, subscriber]) if (connection !== null) hangUp(connection);
    },
  };

  /** Of the job at this place in the line, counted from behind where it is negative; 0 when there is none. */
  async function priorityAt(place: string): Promise<number> {
    const [, score] = await redis.zrange(queue.toKey("prioritized"), place, place, "WITHSCORES");
    return score === undefined ? 0 : Math.floor(Number(score) / priorityStep);
  }

  async function takeNext(signals: readonly AbortSignal[]): Promise<LeasedJob | null> {
    // not the time of day: set back by an hour it would take for an hour, and its caller would not look around
    const end = performance.now() + takeMs;
    const isOver = (): boolean => performance.now() >= end || signals.some((signal) => signal.aborted);
    while (!isOver()) {
      const fetch = leftOver ?? startFetch();
      leftOver = null;
      fetch.abandoned = false;
      const job = await untilOver(fetch.job, signals, end);
      if (job === "over" || signals.some((signal) => signal.aborted)) {
        abandon(fetch);
        return null;
      }
      if (job === undefined) await untilOver(sleep(pollMs), signals, end);
      else if (hasAddress(job)) return lease(job, fetch.token);
      else await drop(job, fetch.token);
    }
    return null;
  }

  function startFetch(): Fetch {
    const token = randomUUID();
    const job = worker.getNextJob(token, { block: false }).catch((error: Error) => {
      warn(`Redis: ${error.message}`);
      return undefined;
    });
    return { token, job, abandoned: false };
  }

  /**
   * The answer may still come: on an abort that raced with it, or from a Redis that was away. The next take goes on
   * waiting for it, so that an outage leaves one fetch behind and not one per take.
   */
  function abandon(fetch: Fetch): void {
    fetch.abandoned = true;
    leftOver = fetch;
    const back = fetch.job
      .then(async (job) => {
        if (!fetch.abandoned) return;
        fetch.abandoned = false;
        if (leftOver === fetch) leftOver = null;
        await job?.moveToWait(fetch.token);
      })
      // the lease lapses by itself then
      .catch(() => {})
      .finally(() => handingBack.delete(back));
    handingBack.add(back);
  }
  function lease(job: BullJob<ChunkData>, token: string): LeasedJob {
    const leased = leaseJob(job, token, { lockMs, patienceMs, onEnd: () => leases.delete(leased) });
    leases.add(leased);
    return leased;
  }

  /** Its id is free again then, and a reconcile adds what is missing. */
  async function drop(job: BullJob<ChunkData>, token: string): Promise<void> {
    warn(`BullMQ: the job ${job.id} names no chunk and was dropped`);
    await within(job.moveToCompleted(null, token, false), patienceMs).catch(() => {});
  }
}

function channelOf(name: string): string {
  return `${prefix}:${name}:nudge`;
}

/** A job that somebody else put there, or whose hash was lost, has no address. */
function hasAddress(job: BullJob<ChunkData>): boolean {
  const { batch, chunk } = job.data as { batch?: unknown; chunk?: unknown };
  return typeof batch === "string" && Number.isSafeInteger(chunk);
}
