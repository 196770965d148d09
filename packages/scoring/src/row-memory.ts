import type { ResultRow } from "@assay/core";
import { waitWhile } from "./wait-while.ts";

/** What only memory holds of a whole node: 256 MB are some 5,000 rows with all their reasoning, or 200,000 without. */
const maxMemoryBytes = 256 * 1024 ** 2;

/** A finished row that the store does not have yet. */
export interface HeldRow {
  readonly row: ResultRow;
  /** the length of its line in a checkpoint */
  readonly bytes: number;
  /** this host's disk has it, too */
  isSpooled: boolean;
}

/**
 * Counts the finished rows of all chunks of a worker that the store does not have. Those that the spool has neither, so
 * that the end of the process would lose them, are bounded: at `maxBytes` no row is sent any more, and those in flight
 * end. A row that the spool has is no less in memory, since its chunk's shard is made from there; how many these
 * are is bounded by the chunks at hand, since none is begun without the store.
 */
export interface RowMemory {
  hold(row: ResultRow): HeldRow;
  /** The spool has them. */
  noteSpooled(rows: readonly HeldRow[]): void;
  /** The store has them, or nobody needs them any more. */
  release(rows: readonly HeldRow[]): void;
  /** Rows that the store does not have: also on this host's disk, and in memory alone. */
  count(): { readonly disk: number; readonly memory: number };
  isFull(): boolean;
  /** Resolves when there is room for another row, or when the signal aborts. */
  whenRoom(signal: AbortSignal): Promise<void>;
}

export function openRowMemory(maxBytes = maxMemoryBytes): RowMemory {
  let bytes = 0;
  const rows = { disk: 0, memory: 0 };
  const waiting = new Set<() => void>();
  const isFull = (): boolean => bytes >= maxBytes;

  function change(row: HeldRow, by: 1 | -1): void {
    rows[row.isSpooled ? "disk" : "memory"] += by;
    if (!row.isSpooled) bytes += by * row.bytes;
  }

  function wake(): void {
    if (!isFull()) for (const resolve of waiting) resolve();
  }

  return {
    hold(row) {
      const held = { row, bytes: Buffer.byteLength(JSON.stringify(row)), isSpooled: false };
      change(held, 1);
      return held;
    },
    noteSpooled(spooled) {
      for (const row of spooled) {
        change(row, -1);
        row.isSpooled = true;
        change(row, 1);
      }
      wake();
    },
    release(released) {
      for (const row of released) change(row, -1);
      wake();
    },
    count: () => ({ ...rows }),
    isFull,
    whenRoom: (signal) => waitWhile(isFull, waiting, signal),
  };
}
