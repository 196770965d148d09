import { setMaxListeners } from "node:events";
import {
  type AssayError,
  chunkFailedAsAWhole,
  isBadLine,
  isRunnable,
  makeBadRow,
  promptPrefix,
  type ResultRow,
  rowsOf,
  shardKey,
} from "@assay/core";
import type { EncodeShard } from "@assay/datasets";
import type { EnginePool } from "@assay/engine";
import type { ObjectStore } from "@assay/store";
import type { RowPorts } from "./ask-row.ts";
import type { BatchContext } from "./batch-context.ts";
import type { Clock } from "./clock.ts";
import { commitShard } from "./commit-shard.ts";
import { readControl } from "./control-log.ts";
import { readRows } from "./read-rows.ts";
import { scoreRow } from "./score-row.ts";
import { waitForStore } from "./wait-for-store.ts";

export type ChunkOutcome =
  /** "committed": our shard won; "lost-race": another worker's did, ours was dropped */
  | { readonly kind: "committed" | "lost-race"; readonly rows: number; readonly ok: number; readonly tokens: number }
  /** the shard was there before anything was asked */
  | { readonly kind: "exists" }
  /** the batch is paused, cancelled or complete */
  | { readonly kind: "not-runnable" }
  /** every asked row ended in one engine-side class: nothing is committed, the batch has to stop (DESIGN 4) */
  | { readonly kind: "failed-as-a-whole"; readonly reason: string };

export interface ChunkPorts {
  readonly store: ObjectStore;
  readonly pool: EnginePool;
  readonly encodeShard: EncodeShard;
  readonly clock: Clock;
}

/**
 * Scores one chunk and commits its shard: load, ask every row, encode, put-if-absent. Rows stand in line for slots in
 * row order, so that rows of one conversation are asked next to each other; `onLined` is called once they do, which is
 * when the worker may take its next chunk. A store that is away is waited for, with finished rows kept in memory.
 * Rejects with E_ABORTED (the signal; nothing is committed), E_ENGINES_FENCED, E_BROKEN (rows/ is not the plan's).
 */
export async function scoreChunk(
  ports: ChunkPorts,
  context: BatchContext,
  chunk: number,
  options: { signal: AbortSignal; software: string; onLined: () => void; onAway: (error: AssayError) => void },
): Promise<ChunkOutcome> {
  const { store, clock } = ports;
  const { file } = context;
  const wait = { clock, signal: options.signal, onAway: options.onAway };

  if ((await waitForStore(() => store.head(shardKey(file.batch, chunk)), wait)) !== null) return { kind: "exists" };
  context.control = await waitForStore(() => readControl(store, file.batch), wait);
  if (!isRunnable(context.control.state)) return { kind: "not-runnable" };

  const lines = await waitForStore(() => readRows(store, file, chunk), wait);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  // every row that waits listens to it: no leak, whatever Node 20 says from the eleventh on
  setMaxListeners(0, signal);
  const rowPorts: RowPorts = { pool: ports.pool, clock, startedAt: clock.now(), signal };
  const asking = lines.flatMap((line): Promise<ResultRow>[] => {
    if (isBadLine(line)) return [Promise.resolve(makeBadRow(file, line, clock.now()))];
    const prefix = promptPrefix(line);
    return rowsOf(line).map((row) => scoreRow(rowPorts, context, row, prefix));
  });
  options.onLined();
  const rows = await allOrFirstError(asking, () => stop.abort());

  if (!context.control.accept_failures) {
    const failed = chunkFailedAsAWhole(rows);
    if (failed !== null) return { kind: "failed-as-a-whole", reason: reasonOf(rows, failed) };
  }
  const kind = await waitForStore(
    () =>
      commitShard(ports, file, chunk, rows, {
        pin: context.pin,
        engineVersion: context.engineVersion,
        software: options.software,
      }),
    wait,
  );
  return {
    kind,
    rows: rows.length,
    ok: rows.filter(({ status }) => status === "ok").length,
    tokens: rows.reduce((sum, row) => sum + (row.completion_tokens ?? 0), 0),
  };
}

/** Waits for every row even when one rejects, so that no row is still talking to an engine when the chunk has ended. */
async function allOrFirstError<T>(promises: readonly Promise<T>[], onError: () => void): Promise<T[]> {
  let failed: { error: unknown } | null = null;
  const settled = await Promise.all(
    promises.map((promise) =>
      promise.catch((error: unknown) => {
        failed ??= { error };
        onError();
        return null;
      }),
    ),
  );
  if (failed !== null) throw (failed as { error: unknown }).error;
  return settled as T[];
}

/** The class and one example, for the person who finds the batch paused. */
function reasonOf(rows: readonly ResultRow[], status: ResultRow["status"]): string {
  const example = rows.find((row) => row.status === status);
  const asked = rows.filter((row) => row.attempts !== null && row.attempts > 0).length;
  return `all ${asked} asked rows of a chunk ended in ${status}; row ${example?.row_index}: ${example?.error_message ?? "no message"}`;
}
