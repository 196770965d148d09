import { isRunnable, type RowsLine, shardKey } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import type { BatchContext } from "./batch-context.ts";
import type { ChunkPorts } from "./chunk-ports.ts";
import { readControl } from "./control-log.ts";
import { fetchSaved } from "./fetch-saved.ts";
import { type PartialChunk, readPartial } from "./read-partial.ts";
import { readRows } from "./read-rows.ts";

/** What a chunk asks, and what earlier attempts left of it. */
export interface LoadedChunk {
  readonly lines: readonly RowsLine[];
  readonly saved: PartialChunk;
}

/**
 * All that is read of a chunk before it is begun, or why it is not to be: its shard exists, or its batch may not run. No
 * read waits for another, so that a store far away costs one way there and back; but of a batch that is known to be
 * stopped nothing is read before its control log says otherwise. Rows that are broken are no fault of a chunk that is not
 * to be begun. Rejects as the store does, and with E_BROKEN.
 */
export async function loadChunk(
  ports: Pick<ChunkPorts, "store" | "spool">,
  context: BatchContext,
  chunk: number,
): Promise<LoadedChunk | "exists" | "not-runnable"> {
  const { store } = ports;
  const { file, pin } = context;
  const stopped = isRunnable(context.control.state) ? null : await whyNotBegun(store, context, chunk);
  if (stopped !== null) return stopped;
  const [refusal, rows, partial] = await Promise.allSettled([
    whyNotBegun(store, context, chunk),
    readRows(store, file, chunk),
    fetchSaved(ports, file.batch, chunk),
  ]);
  const why = found(refusal);
  if (why !== null) return why;
  const lines = found(rows);
  return { lines, saved: readPartial(found(partial), file, pin, lines) };
}

async function whyNotBegun(
  store: ObjectStore,
  context: BatchContext,
  chunk: number,
): Promise<"exists" | "not-runnable" | null> {
  const { batch } = context.file;
  const [shard, control] = await Promise.allSettled([store.head(shardKey(batch, chunk)), readControl(store, batch)]);
  if (found(shard) !== null) return "exists";
  const now = found(control);
  // of several looks at once the earlier may come back later
  if (now.n >= context.control.n) context.control = now;
  return isRunnable(context.control.state) ? null : "not-runnable";
}

function found<T>(settled: PromiseSettledResult<T>): T {
  if (settled.status === "rejected") throw settled.reason;
  return settled.value;
}
