import { setMaxListeners } from "node:events";
import {
  type AssayError,
  chunkFailedAsAWhole,
  isAssayError,
  isBadLine,
  isRunnable,
  makeBadRow,
  promptPrefix,
  type ResultRow,
  type RowsLine,
  rowsOf,
  shardKey,
} from "@assay/core";
import type { EncodeShard } from "@assay/datasets";
import type { EnginePool } from "@assay/engine";
import type { ObjectStore } from "@assay/store";
import { allOrFirstError } from "./all-or-first-error.ts";
import type { RowPorts } from "./ask-row.ts";
import type { BatchContext } from "./batch-context.ts";
import { type ChunkAttempt, startAttempt } from "./chunk-attempt.ts";
import type { Clock } from "./clock.ts";
import { commitShard } from "./commit-shard.ts";
import { readControl } from "./control-log.ts";
import { type PartialChunk, readPartial } from "./read-partial.ts";
import { readRows } from "./read-rows.ts";
import { type RowSaver, saveRows } from "./save-rows.ts";
import { scoreRow } from "./score-row.ts";
import type { Spool } from "./spool.ts";
import { waitForStore } from "./wait-for-store.ts";

export type ChunkOutcome =
  /**
   * "committed": our shard won; "lost-race": another worker's did, ours was dropped. Of the rows `saved` came from
   * checkpoints and cost no tokens here; `ignored` checkpoints could not be used.
   */
  | {
      readonly kind: "committed" | "lost-race";
      readonly rows: number;
      readonly ok: number;
      readonly tokens: number;
      readonly saved: number;
      readonly ignored: number;
    }
  /** the shard was there before anything was asked */
  | { readonly kind: "exists" }
  /** the lease was lost, and another worker has begun or committed the chunk: what had finished is saved for it */
  | { readonly kind: "overtaken" }
  /** the batch is paused, cancelled or complete */
  | { readonly kind: "not-runnable" }
  /** every asked row ended in one engine-side class: nothing is committed, the batch has to stop (DESIGN 4) */
  | { readonly kind: "failed-as-a-whole"; readonly reason: string };

export interface ChunkPorts {
  readonly store: ObjectStore;
  /** null = finished rows wait in memory alone while the store is away */
  readonly spool: Spool | null;
  readonly pool: EnginePool;
  readonly encodeShard: EncodeShard;
  readonly clock: Clock;
}

export interface ChunkOptions {
  /** rows that have no slot yet are not sent any more; those in flight end */
  readonly drain: AbortSignal;
  /** ends the rows in flight; what has finished is saved */
  readonly signal: AbortSignal;
  /** the same without saving; aborts `signal`, too */
  readonly abort: AbortSignal;
  readonly software: string;
  /** called once the rows stand in line for slots, which is when the worker may take its next chunk */
  readonly onLined: () => void;
  readonly onAway: (error: AssayError) => void;
  /** so many finished rows of the chunk are on this host's disk, since the store does not take them */
  readonly onSpooled: (rows: number) => void;
  /** calls back when a queue that answers does not know the lease any more */
  readonly onRefused: (listener: () => void) => void;
}

/**
 * Scores one chunk and commits its shard: load, take what earlier attempts saved, ask every other row, encode,
 * put-if-absent. Rows stand in line for slots in row order, so that rows of one conversation are asked next to each
 * other. A store that is away is waited for, with finished rows kept in memory and in the spool. Nothing new is begun
 * without it, since a chunk's lines come from there and its `.start` goes there: no more rows wait than the chunks hold
 * that were taken before. Rejects with E_ABORTED (the signals), E_ENGINES_FENCED, E_BROKEN (rows/ is not the plan's):
 * nothing is committed then, and finished rows are in a checkpoint, or in the spool where the store did not take it.
 */
export async function scoreChunk(
  ports: ChunkPorts,
  context: BatchContext,
  chunk: number,
  options: ChunkOptions,
): Promise<ChunkOutcome> {
  const { store, clock } = ports;
  const { file, pin } = context;
  const wait = { clock, signal: options.signal, onAway: options.onAway };

  if ((await waitForStore(() => store.head(shardKey(file.batch, chunk)), wait)) !== null) return { kind: "exists" };
  context.control = await waitForStore(() => readControl(store, file.batch), wait);
  if (!isRunnable(context.control.state)) return { kind: "not-runnable" };

  const lines = await waitForStore(() => readRows(store, file, chunk), wait);
  const saved = await waitForStore(() => readPartial(store, file, pin, chunk, lines), wait);
  const attempt = startAttempt(store, { file, chunk, id: clock.random(), found: saved.files }, wait);
  const stop = new AbortController();
  let unsaveable: { error: unknown } | null = null;
  let refused = false;
  let overtaken = false;
  /** A wiped Redis refuses everybody and stops nobody; a zombie stops in the same second. */
  const look = async (): Promise<void> => {
    overtaken ||= await attempt.isOvertaken();
    if (overtaken) stop.abort();
  };
  options.onRefused(() => {
    refused = true;
    void look();
  });
  const missing = lines.flatMap((line) => (isBadLine(line) ? [] : line.principles)).length - saved.rows.size;
  const saver = saveRows(
    ports,
    { file, pin, chunk, attempt: attempt.id, rows: missing },
    {
      onSaved: () => {
        if (refused) void look();
      },
      onSpooled: options.onSpooled,
      onAway: options.onAway,
      onError: (error) => {
        unsaveable ??= { error };
        stop.abort();
      },
    },
  );
  try {
    const rows = await askMissing(ports, context, lines, saved.rows, { saver, attempt, stop }, options);
    const outcome = await commit(ports, context, chunk, rows, saved, { ...options, wait });
    if (outcome.kind === "failed-as-a-whole") await attempt.end();
    return outcome;
  } catch (error) {
    if (!options.abort.aborted) await saver.save();
    await attempt.end();
    if (overtaken) return { kind: "overtaken" };
    throw unsaveable === null ? error : (unsaveable as { error: unknown }).error;
  } finally {
    await saver.close();
  }
}

/** The results of all rows in row order. Every row that is asked goes to the saver when it ends. */
async function askMissing(
  ports: ChunkPorts,
  context: BatchContext,
  lines: readonly RowsLine[],
  saved: PartialChunk["rows"],
  { saver, attempt, stop }: { saver: RowSaver; attempt: ChunkAttempt; stop: AbortController },
  options: ChunkOptions,
): Promise<ResultRow[]> {
  const { clock } = ports;
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const waiting = AbortSignal.any([signal, options.drain]);
  // every row that waits listens to them: no leak, whatever Node 20 says from the eleventh on
  setMaxListeners(0, signal, waiting);
  const pool: RowPorts["pool"] = {
    async acquire(batch, _signal, prefix) {
      const slot = await ports.pool.acquire(batch, waiting, prefix);
      try {
        await attempt.begin();
        return slot;
      } catch (error) {
        slot.release();
        throw error;
      }
    },
    fence: (batch, origin, reason) => ports.pool.fence(batch, origin, reason),
  };
  const rowPorts: RowPorts = { pool, clock, startedAt: clock.now(), signal };
  const asking = lines.flatMap((line): (ResultRow | Promise<ResultRow>)[] => {
    if (isBadLine(line)) return [makeBadRow(context.file, line, clock.now())];
    const prefix = promptPrefix(line, context.file.samples);
    return rowsOf(line).map(
      (row) =>
        saved.get(row.rowIndex) ??
        scoreRow(rowPorts, context, row, prefix).then((result) => {
          saver.add(result);
          return result;
        }),
    );
  });
  options.onLined();
  return allOrFirstError(asking, (error) => {
    // rows in flight are let finish when others only had no slot yet
    if (!(options.drain.aborted && isAssayError(error, "E_ABORTED"))) stop.abort();
  });
}

async function commit(
  ports: ChunkPorts,
  context: BatchContext,
  chunk: number,
  rows: readonly ResultRow[],
  saved: PartialChunk,
  options: ChunkOptions & { wait: Parameters<typeof waitForStore>[1] },
): Promise<ChunkOutcome> {
  const asked = rows.filter((row) => !saved.rows.has(row.row_index));
  if (!context.control.accept_failures) {
    const failed = chunkFailedAsAWhole(asked);
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
