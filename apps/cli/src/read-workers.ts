import { type BatchFile, decodeWorkerState, isAssayError, type WorkerState } from "@assay/core";
import { readRootId } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import type { RedisFlags } from "./flags.ts";
import { namedRedis, queueNameOf, readWorkerStates } from "./open-queue.ts";
import { note } from "./say.ts";

/**
 * What the workers say that serve a batch; where the store is away, and `file` is null, those of its root so far as
 * they name it alike. Null where no Redis is named, and where it does not answer, which is said.
 */
export async function readWorkers(
  store: ObjectStore,
  file: BatchFile | null,
  flags: RedisFlags,
): Promise<readonly WorkerState[] | null> {
  const url = namedRedis(flags.redis);
  if (url === undefined) return null;
  const rootId = file === null ? null : await readRootId(store);
  const queue = file === null || rootId === null ? null : queueNameOf(rootId, file.model);
  try {
    const told = await readWorkerStates(url);
    return told.flatMap(({ queue: own, text }) => {
      const state = decodeWorkerState(text);
      if (state === null) return [];
      return (queue === null ? state.root === store.uri : own === queue) ? [state] : [];
    });
  } catch (error) {
    if (!isAssayError(error) || (error.code !== "E_REDIS_UNAVAILABLE" && error.code !== "E_DENIED")) throw error;
    note(`what workers do is not known: ${error.message} (${error.where ?? "unknown"})`);
    return null;
  }
}
