import { AssayError } from "@assay/core";
import type { Redis } from "ioredis";
import { redisError } from "./redis-error.ts";

/**
 * Refuses a Redis that would lose jobs: it must answer within `limitMs`, be 6.2 or later, and never evict. Throws
 * E_REDIS_UNAVAILABLE, E_DENIED or E_USAGE. `where` is the address without credentials.
 */
export async function assertRedis(
  redis: Redis,
  options: { where: string; limitMs: number },
): Promise<{ version: string }> {
  let info: string;
  try {
    info = await within(redis.info(), options.limitMs);
  } catch (cause) {
    throw redisError("Redis does not answer", options.where, cause);
  }
  const version = /^redis_version:(\S+)/m.exec(info)?.[1] ?? "unknown";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < 6 || (major === 6 && minor < 2)) {
    throw new AssayError("E_USAGE", "this Redis is too old", {
      where: options.where,
      expected: "6.2 or later",
      got: version,
    });
  }
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? "noeviction";
  if (policy !== "noeviction") {
    throw new AssayError("E_USAGE", "this Redis may evict jobs when its memory is full", {
      where: options.where,
      expected: "maxmemory-policy noeviction",
      got: policy,
      next: "redis-cli CONFIG SET maxmemory-policy noeviction",
    });
  }
  return { version };
}

/** Rejects when the promise takes longer; the work itself goes on. */
export async function within<T>(work: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  });
  // a rejection after the limit must not go unhandled
  work.catch(() => {});
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
