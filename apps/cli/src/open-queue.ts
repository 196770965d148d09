import { accessSync, constants } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AssayError, isAssayError, queueName, sha256 } from "@assay/core";
import type { JobQueue } from "@assay/queue";
import type { FoundRedis } from "@assay/queue/private-redis";
import { workerName } from "./author.ts";
import { queueWithCrashPoints } from "./crash-points.ts";
import { note } from "./say.ts";
import { cacheFolder } from "./user-folders.ts";

export interface OpenedQueue {
  readonly queue: JobQueue;
  /** for people: the address, the private socket, or "this process" */
  readonly where: string;
  close(): Promise<void>;
}

/** The Redis that `--redis` or REDIS_URL names; undefined when neither does. */
export function namedRedis(flag: string | undefined): string | undefined {
  const url = flag ?? process.env.REDIS_URL;
  return url === "" ? undefined : url;
}

/**
 * The queue of a root and a model on a named Redis. Throws E_REDIS_UNAVAILABLE when it does not answer, E_USAGE when
 * it would lose jobs.
 */
export async function openNamedQueue(url: string, rootId: string, model: string): Promise<OpenedQueue> {
  const { findRedis } = await import("@assay/queue/private-redis");
  return queueOn(await findRedis(redisOptions(rootId, url)), rootId, model);
}

/** Works on that queue and closes it. Throws what opening it and `work` throw. */
export async function withNamedQueue(
  url: string,
  rootId: string,
  model: string,
  work: (queue: JobQueue) => Promise<unknown>,
): Promise<void> {
  const opened = await openNamedQueue(url, rootId, model);
  try {
    await work(opened.queue);
  } finally {
    await opened.close();
  }
}

/**
 * For `score` and `demo`: the named Redis, else a private one, else a queue in this process, saying so.
 * The private one is ended by close() when nobody else uses it.
 */
export async function openAnyQueue(url: string | undefined, rootId: string, model: string): Promise<OpenedQueue> {
  if (url !== undefined) return openNamedQueue(url, rootId, model);
  const { findRedis } = await import("@assay/queue/private-redis");
  try {
    return await queueOn(await findRedis(redisOptions(rootId, undefined)), rootId, model);
  } catch (error) {
    if (!isAssayError(error, "E_REDIS_MISSING")) throw error;
    note(`${error.message}: chunks are handed out inside this process, which is as safe, but no worker can join in`);
    const { inProcessQueue } = await import("@assay/queue/in-process");
    const queue = inProcessQueue(queueNameOf(rootId, model));
    return { queue: queueWithCrashPoints(queue), where: "this process", close: () => queue.close() };
  }
}

/** What all workers on a named Redis say. Rejects with E_REDIS_UNAVAILABLE or E_DENIED. */
export async function readWorkerStates(url: string): Promise<{ queue: string; text: string }[]> {
  const { findRedis } = await import("@assay/queue/private-redis");
  const { readStates } = await import("@assay/queue/bullmq");
  const redis = await findRedis(redisOptions("", url));
  const connection = redis.connect();
  // what goes wrong is told by the reading
  connection.on("error", () => {});
  try {
    return await readStates(connection, { where: redis.where, limitMs: 5_000 });
  } finally {
    connection.disconnect();
    await redis.close();
  }
}

async function queueOn(redis: FoundRedis, rootId: string, model: string): Promise<OpenedQueue> {
  const { assertRedis, bullmqQueue } = await import("@assay/queue/bullmq");
  const probe = redis.connect();
  // what goes wrong is told by assertRedis
  probe.on("error", () => {});
  try {
    await assertRedis(probe, { where: redis.where, limitMs: 10_000 });
  } catch (error) {
    await redis.close();
    throw error;
  } finally {
    probe.disconnect();
  }
  const queue = bullmqQueue({
    connect: redis.connect,
    name: queueNameOf(rootId, model),
    workerName: workerName(),
    onWarning: note,
  });
  return {
    queue: queueWithCrashPoints(queue),
    where: redis.where,
    async close() {
      await queue.close();
      await redis.close();
    },
  };
}

/** The name of the queue of a root and a model. */
export function queueNameOf(rootId: string, model: string): string {
  return queueName(rootId, sha256(model));
}

function redisOptions(rootId: string, url: string | undefined) {
  return {
    url,
    rootId,
    socketDir: socketDir(),
    cacheDir: cacheFolder(),
    path: process.env.PATH ?? "",
    onNotice: note,
  };
}

/** The user's runtime folder where it is really there (su and containers name ones that are not); else a private one. */
function socketDir(): string {
  const runtime = process.env.XDG_RUNTIME_DIR;
  if (runtime !== undefined && runtime !== "" && isWritable(runtime)) return join(runtime, "assay");
  return join(tmpdir(), `assay-${process.getuid?.() ?? "user"}`);
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Many private queues over one root would do the work many times. */
export function refuseNoRedis(): AssayError {
  return new AssayError("E_NO_REDIS", "a worker shares its work with others through a Redis, and none is named", {
    next: "--redis redis://host:6379, or REDIS_URL; or assay score, which needs none",
  });
}
