import { AssayError, type BatchFile, isAssayError } from "@assay/core";
import { reconcileBatch } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import type { RedisFlags } from "./flags.ts";
import { namedRedis, withNamedQueue } from "./open-queue.ts";
import { note } from "./say.ts";

/**
 * Tells the workers of a batch that the store has by now, through Redis where one is named; else says who picks it up
 * (`untold`). Rejects with E_REDIS_UNAVAILABLE, saying that nothing is lost.
 */
export async function queueBatch(
  store: ObjectStore,
  file: BatchFile,
  rootId: string,
  flags: RedisFlags,
  untold: string,
): Promise<void> {
  const url = namedRedis(flags.redis);
  if (url === undefined) {
    note(`no Redis is named, so nobody is told: ${untold}`);
    return;
  }
  try {
    await withNamedQueue(url, rootId, file.model, async (queue) => {
      await reconcileBatch(store, queue, file);
      await queue.nudge(file.batch);
    });
  } catch (error) {
    if (!isAssayError(error, "E_REDIS_UNAVAILABLE")) throw error;
    throw new AssayError("E_REDIS_UNAVAILABLE", "the batch is staged, and Redis does not answer", {
      ...(error.where === undefined ? {} : { where: error.where }),
      ...(error.got === undefined ? {} : { got: error.got }),
      next: "nothing is lost: the same command again, or any worker once Redis is back",
      cause: error,
    });
  }
}
