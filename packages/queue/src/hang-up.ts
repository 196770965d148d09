import type { Redis } from "ioredis";

/**
 * Cuts a connection. One that has ended is left alone: ioredis would wait for a stream that has closed already, and
 * with it the process for its end.
 */
export function hangUp(redis: Redis): void {
  if (redis.status !== "end") redis.disconnect();
}
