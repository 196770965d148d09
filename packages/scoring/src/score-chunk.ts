import type { BatchContext } from "./batch-context.ts";
import type { ChunkOptions, ChunkOutcome, ChunkPorts } from "./chunk-ports.ts";
import { loadChunk } from "./load-chunk.ts";
import type { PartialChunk } from "./read-partial.ts";
import { type ChunkAttempts, runAttempt } from "./run-attempt.ts";
import { waitForStore } from "./wait-for-store.ts";

/**
 * Scores one chunk and commits its shard: load, take what earlier attempts saved, ask every other row, encode,
 * put-if-absent; begun again, and more narrowly, whenever an engine died under it. Rows stand in line for slots in row
 * order, so that rows of one conversation are asked next to each other. A store that is away is waited for, with finished
 * rows kept in memory and in the spool, and no row is sent while both are full. Nothing new is begun without it, since a
 * chunk's lines come from there and its `.start` goes there: no more rows wait than the chunks hold that were taken
 * before. Rejects with E_ABORTED (the signals), E_ENGINES_FENCED, E_BROKEN (rows/ is not the plan's): nothing is
 * committed then but a shard whose put was under way, and finished rows are in a checkpoint, or in the spool where the
 * store did not take it.
 */
export async function scoreChunk(
  ports: ChunkPorts,
  context: BatchContext,
  chunk: number,
  options: ChunkOptions,
): Promise<ChunkOutcome> {
  const wait = { clock: ports.clock, signal: options.signal, onAway: options.onAway };
  const loaded = await waitForStore(() => loadChunk(ports, context, chunk), wait);
  if (loaded === "exists" || loaded === "not-runnable") return { kind: loaded };
  const { lines } = loaded;
  const attempts: ChunkAttempts = { chunk, lines, dead: new Set(), refused: false, onRefused: () => {} };
  options.onRefused(() => {
    attempts.refused = true;
    attempts.onRefused();
  });
  for (let saved: PartialChunk | null = loaded.saved; ; saved = null) {
    const outcome = await runAttempt(ports, context, attempts, saved, { ...options, wait });
    if (outcome !== "engine-died") return outcome;
  }
}
