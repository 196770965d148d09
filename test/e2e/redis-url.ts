import type { FoundRedis } from "@assay/queue/private-redis";

/** What `--redis` takes for a Redis under test. */
export function redisUrl({ kind, where }: FoundRedis): string {
  return kind === "private" ? `unix://${where}` : where;
}
