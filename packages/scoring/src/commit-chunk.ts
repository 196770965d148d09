import { chunkFailedAsAWhole, type ResultRow } from "@assay/core";
import type { BatchContext } from "./batch-context.ts";
import type { ChunkOutcome, ChunkPorts } from "./chunk-ports.ts";
import { commitShard } from "./commit-shard.ts";
import type { PartialChunk } from "./read-partial.ts";
import { waitForStore } from "./wait-for-store.ts";

/**
 * Commits a chunk whose rows all have a result, or says why the batch has to stop. Waits for a store that is away;
 * rejects with E_ABORTED.
 */
export async function commitChunk(
  ports: ChunkPorts,
  context: BatchContext,
  chunk: number,
  rows: readonly ResultRow[],
  saved: PartialChunk,
  options: { software: string; wait: Parameters<typeof waitForStore>[1] },
): Promise<ChunkOutcome> {
  const asked = rows.filter((row) => !saved.rows.has(row.row_index));
  if (!context.control.accept_failures) {
    const failed = chunkFailedAsAWhole(asked, rows);
    if (failed !== null) return { kind: "failed-as-a-whole", reason: reasonOf(asked, failed) };
  }
  const found = { pin: context.pin, engineVersion: context.engineVersion(), software: options.software };
  const kind = await waitForStore(() => commitShard(ports, context.file, chunk, rows, found), options.wait);
  return {
    kind,
    rows: rows.length,
    ok: rows.filter(({ status }) => status === "ok").length,
    tokens: asked.reduce((sum, row) => sum + (row.source === "scored" ? (row.completion_tokens ?? 0) : 0), 0),
    saved: saved.rows.size,
    ignored: saved.ignored,
  };
}

/** The class and one example, for the person who finds the batch paused. */
function reasonOf(rows: readonly ResultRow[], status: ResultRow["status"]): string {
  const example = rows.find((row) => row.status === status);
  const asked = rows.filter((row) => row.attempts !== null && row.attempts > 0).length;
  return `all ${asked} asked rows of a chunk ended in ${status}; row ${example?.row_index}: ${example?.error_message ?? "no message"}`;
}
