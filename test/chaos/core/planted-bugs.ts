import {
  batchKey,
  type ControlEntry,
  chunkOfShardKey,
  controlEntrySchema,
  controlKey,
  controlPrefix,
  readPartialKey,
  shardKey,
} from "@assay/core";
import type { JobQueue } from "@assay/queue";
import { runWorker, stageBatch } from "@assay/scoring";
import type { memoryStore } from "@assay/testkit";
import type { RedisModel } from "./redis-model.ts";

type MemoryStore = ReturnType<typeof memoryStore>;

/**
 * A bug of the protocol, planted through a port or in the place of a use case: what the machine has to find to be
 * believed. None of it is in the product.
 */
export interface Planted {
  /** nothing of it shows where a batch is alone */
  readonly betweenBatches?: true;
  /** the store that all processes share */
  readonly store?: (inner: MemoryStore, redis: RedisModel) => MemoryStore;
  /** the queue of one process */
  readonly queue?: (inner: JobQueue, redis: RedisModel) => JobQueue;
  readonly work?: typeof runWorker;
  readonly stage?: typeof stageBatch;
}

/** Protocol of the wrong kind: the job ends when it is taken, not when its shard is there. */
const acknowledgeBeforeCommit: Planted = {
  queue: (inner) => ({
    ...inner,
    async take(signal) {
      const leased = await inner.take(signal);
      await leased?.done();
      return leased;
    },
  }),
};

const overwrite: Planted = {
  store: (inner) => ({
    ...inner,
    async putIfAbsent(key, bytes) {
      inner.objects.set(key, bytes.slice());
      return "created";
    },
  }),
};

/** The put is answered, and there is nothing. */
const loseCheckpoints: Planted = {
  store: (inner) => ({
    ...inner,
    putIfAbsent: async (key, bytes) =>
      readPartialKey(key)?.kind === "rows" ? "created" : inner.putIfAbsent(key, bytes),
  }),
};

/** The plan stands before the rows and their hashes have been compared. */
const planBeforeRows: Planted = {
  async stage(store, planned, inputs, settings, readRecords, options) {
    const key = batchKey(planned.file.batch);
    const put = await store.putIfAbsent(key, new TextEncoder().encode(JSON.stringify(planned.file)));
    if (put === "exists") return stageBatch(store, planned, inputs, settings, readRecords, options);
    let looked = false;
    const blind: typeof store = {
      ...store,
      get(one, more) {
        if (one !== key || looked) return store.get(one, more);
        looked = true;
        return Promise.resolve(null);
      },
    };
    return stageBatch(blind, planned, inputs, settings, readRecords, options);
  },
};

/** Everybody honours it, so long as Redis knows. */
const cancelInRedis: Planted = {
  store: (inner, redis) => ({
    ...inner,
    async putIfAbsent(key, bytes) {
      if (!isCancel(key, bytes)) return inner.putIfAbsent(key, bytes);
      if (redis.strings.has(key) || inner.objects.has(key)) return "exists";
      redis.strings.set(key, new TextDecoder().decode(bytes));
      return "created";
    },
    async get(key) {
      const kept = redis.strings.get(key);
      return kept === undefined ? inner.get(key) : new TextEncoder().encode(kept);
    },
    async *list(prefix, options) {
      yield* inner.list(prefix, options);
      if (!prefix.endsWith("/control/")) return;
      for (const [key, kept] of redis.strings) if (key.startsWith(prefix)) yield { key, size: kept.length };
    },
  }),
};

function isCancel(key: string, bytes: Uint8Array): boolean {
  if (!key.includes("/control/")) return false;
  const entry: ControlEntry = controlEntrySchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  return entry.state === "cancelled";
}

/** A worker goes home when the queue has nothing for it. */
const idleFromTheQueue: Planted = {
  async work(ports, options) {
    const home = new AbortController();
    const queue: JobQueue = {
      ...ports.queue,
      async take(signal) {
        const leased = await ports.queue.take(signal);
        if (leased === null && options.untilIdle) home.abort();
        return leased;
      },
    };
    const drain = AbortSignal.any([options.drain, home.signal]);
    const end = await runWorker({ ...ports, queue }, { ...options, drain, drainMs: null, untilIdle: false });
    return options.drain.aborted ? end : "idle";
  },
};

/** First come, first served. */
const withoutPriorities: Planted = {
  betweenBatches: true,
  queue: (inner) => ({
    ...inner,
    add: (jobs) => inner.add(jobs.map((job) => ({ ...job, priority: 1 }))),
  }),
};

/** A key is made with the batch of the chunk that was begun last, as if a process worked on one batch at a time. */
const shardOfAnother: Planted = {
  betweenBatches: true,
  store(inner) {
    let last = "";
    return {
      ...inner,
      putIfAbsent(key, bytes) {
        if (readPartialKey(key)?.kind === "start") last = key.split("/")[0] ?? "";
        const chunk = chunkOfShardKey(key);
        return inner.putIfAbsent(chunk === null || last === "" ? key : shardKey(last, chunk), bytes);
      },
    };
  },
};

/** Whoever takes the jobs of one batch out empties the queue. */
const removeAll: Planted = {
  betweenBatches: true,
  queue: (inner, redis) => ({ ...inner, remove: (jobs) => inner.remove([...jobs, ...redis.waiting()]) }),
};

/** A cancel goes into every log. */
const cancelAll: Planted = {
  betweenBatches: true,
  store: (inner) => ({
    ...inner,
    async putIfAbsent(key, bytes) {
      const put = await inner.putIfAbsent(key, bytes);
      if (put === "exists" || !isCancel(key, bytes)) return put;
      const keys = [...inner.objects.keys()];
      for (const batch of new Set(keys.map((one) => one.split("/")[0] ?? ""))) {
        const entries = keys.filter((one) => one.startsWith(controlPrefix(batch))).length;
        if (keys.includes(batchKey(batch)) && !key.startsWith(`${batch}/`))
          await inner.putIfAbsent(controlKey(batch, entries + 1), bytes);
      }
      return put;
    },
  }),
};

export const plantedBugs: { readonly [name: string]: Planted } = {
  "acknowledge before commit": acknowledgeBeforeCommit,
  "overwrite instead of put-if-absent": overwrite,
  "a lost checkpoint": loseCheckpoints,
  "batch.json before its rows and hashes": planBeforeRows,
  "cancel kept only in Redis": cancelInRedis,
  "idle read from the queue": idleFromTheQueue,
  "priorities ignored": withoutPriorities,
  "a shard under the key of another batch": shardOfAnother,
  "a removal that takes every batch's jobs": removeAll,
  "a cancel that stops every batch": cancelAll,
};
