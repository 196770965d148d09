import type { Queue } from "bullmq";
import type { Redis } from "ioredis";

/** Members per ZMSCORE. */
const sliceIds = 1_000;

/**
 * Of these ids those that are in no list, all at one moment: a job that is just being taken is in one list or the other.
 * The waiting and the active list are short, since every job has a priority; the long set is asked for these ids only.
 */
export async function findMissing(redis: Redis, queue: Queue, ids: readonly string[]): Promise<Set<string>> {
  const slices = Array.from({ length: Math.ceil(ids.length / sliceIds) }, (_, i) =>
    ids.slice(i * sliceIds, (i + 1) * sliceIds),
  );
  const asked = redis.multi();
  for (const list of ["wait", "active"]) asked.lrange(queue.toKey(list), 0, -1);
  for (const slice of slices) for (const set of ["prioritized", "delayed"]) asked.zmscore(queue.toKey(set), ...slice);
  const answers = ((await asked.exec()) ?? []).map(([error, answer]) => {
    if (error !== null) throw error;
    return answer as (string | null)[];
  });
  const missing = new Set(ids);
  for (const id of answers.slice(0, 2).flat()) missing.delete(id ?? "");
  for (const [i, scores] of answers.slice(2).entries()) {
    const slice = slices[Math.floor(i / 2)] ?? [];
    for (const [k, score] of scores.entries()) if (score !== null) missing.delete(slice[k] ?? "");
  }
  return missing;
}
