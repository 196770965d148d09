import type { Queue } from "bullmq";
import type { Redis } from "ioredis";

/**
 * Takes jobs out of whatever list they are in, or out of none. One with a live lease stays: BullMQ does not remove what
 * is locked. Only ids that have a job are removed, since most of a reconcile's have none.
 */
export async function removeJobs(redis: Redis, queue: Queue, ids: readonly string[]): Promise<void> {
  const asked = redis.pipeline();
  for (const id of ids) asked.exists(queue.toKey(id));
  const answers = (await asked.exec()) ?? [];
  const present = ids.filter((_, i) => answers[i]?.[1] === 1);
  await Promise.all(present.map((id) => queue.remove(id, { removeChildren: false })));
}
