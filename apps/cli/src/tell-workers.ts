import type { BatchFile } from "@assay/core";
import { isAssayError } from "@assay/core";
import type { JobQueue } from "@assay/queue";
import { readRootId } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import type { RedisFlags } from "./flags.ts";
import { namedRedis, withNamedQueue } from "./open-queue.ts";
import { note } from "./say.ts";

/**
 * After an entry in a control log: tells the workers through Redis, where one is named. The store rules without it:
 * running workers look again within half a minute, so a Redis that is away is only said.
 */
export async function tellWorkers(
  store: ObjectStore,
  file: BatchFile,
  flags: RedisFlags,
  work: (queue: JobQueue) => Promise<unknown>,
): Promise<void> {
  const url = namedRedis(flags.redis);
  const rootId = await readRootId(store);
  if (url === undefined || rootId === null) return;
  try {
    await withNamedQueue(url, rootId, file.model, work);
  } catch (error) {
    if (!isAssayError(error, "E_REDIS_UNAVAILABLE")) throw error;
    note(
      `Redis does not answer (${error.where ?? "unknown"}); running workers see it in the store within half a minute`,
    );
  }
}
