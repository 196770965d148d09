import { AssayError } from "@assay/core";
import type { EnginePool } from "@assay/engine";
import type { JobQueue, LeasedJob } from "@assay/queue";
import type { ObjectStore } from "@assay/store";

/**
 * Named places where a test lets this process die as by kill -9: `ASSAY_CRASH_AT=<point>[:n]`, at the n-th passing.
 * Unset, which is always but in such tests, nothing is wrapped and no place exists. They lie on the ports, before and
 * after every step that others can see, so that no package knows of them.
 */

/** What is put, told by its key; a name becomes the points `before-put-<name>` and `after-put-<name>`. */
const putNames: readonly (readonly [string, RegExp])[] = [
  ["root", /^assay\.json$/],
  ["open", /^_batches\//],
  ["done", /^_done\//],
  ["rows", /\/rows\/\d+\.jsonl\.gz$/],
  ["batch", /\/batch\.json$/],
  ["pin", /\/pin\.json$/],
  ["start", /\/partial\/.*\.start$/],
  ["checkpoint", /\/partial\/.*\.jsonl\.gz$/],
  ["shard", /\/rewards\/\d+\.parquet$/],
  ["control", /\/control\/\d+\.json$/],
  ["summary", /\/summary\.json$/],
  ["success", /\/_SUCCESS$/],
];

/** Every place a process may be told to die at, in the order a batch passes them. */
const crashPoints: readonly string[] = [
  ...putNames.flatMap(([name]) => [`before-put-${name}`, `after-put-${name}`]),
  "lease-taken",
  "rows-read",
  "request-sent",
  "row-answered",
  "before-acknowledge",
  "after-acknowledge",
];

/** A row is with the engine by then, and not answered by an engine that takes its time. */
const sentMs = 50;

/** Dies at the point when it is the one that ASSAY_CRASH_AT names and this is its n-th passing. */
export type CrashAt = (point: string) => void;

/** Null when nothing is to die here. Throws E_USAGE for a point that does not exist. */
export function crashPoint(text = process.env.ASSAY_CRASH_AT): CrashAt | null {
  if (text === undefined || text === "") return null;
  const [, wanted = "", times = "1"] = /^([a-z-]+)(?::([1-9]\d*))?$/.exec(text) ?? [];
  if (!crashPoints.includes(wanted)) {
    throw new AssayError("E_USAGE", "ASSAY_CRASH_AT names no crash point", {
      expected: `${crashPoints.join(", ")}; with :n for the n-th passing`,
      got: text,
    });
  }
  let left = Number(times);
  return (point) => {
    if (point !== wanted) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, "SIGKILL");
  };
}

export function storeWithCrashPoints(store: ObjectStore, crashAt = crashPoint()): ObjectStore {
  if (crashAt === null) return store;
  return {
    ...store,
    async get(key, options) {
      const bytes = await store.get(key, options);
      if (putName(key) === "rows") crashAt("rows-read");
      return bytes;
    },
    async putIfAbsent(key, bytes, options) {
      const name = putName(key);
      crashAt(`before-put-${name}`);
      const put = await store.putIfAbsent(key, bytes, options);
      crashAt(`after-put-${name}`);
      return put;
    },
  };
}

export function queueWithCrashPoints(queue: JobQueue, crashAt = crashPoint()): JobQueue {
  if (crashAt === null) return queue;
  return {
    ...queue,
    async take(signal) {
      const leased = await queue.take(signal);
      if (leased === null) return null;
      crashAt("lease-taken");
      return { ...leased, done: () => acknowledge(leased, crashAt) };
    },
  };
}

/** The pool itself, with its own `acquire`: its other members look at its state, which must stay one. */
export function addCrashPoints(pool: EnginePool, crashAt = crashPoint()): EnginePool {
  if (crashAt === null) return pool;
  const acquire = pool.acquire.bind(pool);
  return Object.assign(pool, {
    async acquire(...of: Parameters<EnginePool["acquire"]>) {
      const slot = await acquire(...of);
      return {
        origin: slot.origin,
        async complete(...asked: Parameters<typeof slot.complete>) {
          setTimeout(() => crashAt("request-sent"), sentMs);
          const outcome = await slot.complete(...asked);
          crashAt("row-answered");
          return outcome;
        },
        release: () => slot.release(),
      };
    },
  });
}

async function acknowledge(leased: LeasedJob, crashAt: CrashAt): Promise<void> {
  crashAt("before-acknowledge");
  await leased.done();
  crashAt("after-acknowledge");
}

function putName(key: string): string | null {
  return putNames.find(([, pattern]) => pattern.test(key))?.[0] ?? null;
}
