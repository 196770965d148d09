import type { Redis } from "ioredis";
import { within } from "./assert-redis.ts";
import { redisError } from "./redis-error.ts";

/** One for all queues of a Redis: a store that is away does not say which root a queue belongs to. */
const index = "{assay}:workers";
/** Names of workers that were killed leave the index after so long; their states left much sooner. */
const forgetMs = 24 * 60 * 60_000;

/** Shows `text` for `forMs`, null takes it away. `key` is the queue's, and the teller's own. */
export async function putState(redis: Redis, key: string, text: string | null, forMs: number): Promise<void> {
  const now = Date.now();
  await (text === null
    ? redis.pipeline().del(key).zrem(index, key)
    : redis
        .pipeline()
        .set(key, text, "PX", forMs)
        .zadd(index, now, key)
        .zremrangebyscore(index, 0, now - forgetMs)
  ).exec();
}

export function stateKey(queue: string, teller: string): string {
  return `{assay}:${queue}:worker:${teller}`;
}

/**
 * What all workers of this Redis show now, each with the name of its queue. Changes nothing. Rejects with
 * E_REDIS_UNAVAILABLE or E_DENIED.
 */
export async function readStates(
  redis: Redis,
  options: { where: string; limitMs: number },
): Promise<{ queue: string; text: string }[]> {
  try {
    const keys = await within(redis.zrange(index, "0", "-1"), options.limitMs);
    const texts = keys.length === 0 ? [] : await within(redis.mget(keys), options.limitMs);
    return keys.flatMap((key, i) => {
      const queue = /^\{assay\}:(.+):worker:[^:]+$/.exec(key)?.[1];
      const text = texts[i];
      return queue === undefined || text == null ? [] : [{ queue, text }];
    });
  } catch (cause) {
    throw redisError("Redis does not answer", options.where, cause);
  }
}
