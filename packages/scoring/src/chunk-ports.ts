import type { AssayError } from "@assay/core";
import type { EncodeShard } from "@assay/datasets";
import type { EnginePool } from "@assay/engine";
import type { ObjectStore } from "@assay/store";
import type { Clock } from "./clock.ts";
import type { RowMemory } from "./row-memory.ts";
import type { RowsAhead } from "./rows-ahead.ts";
import type { Spool } from "./spool.ts";

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
  /** every asked row ended in one engine-side class: nothing is committed, the batch has to stop */
  | { readonly kind: "failed-as-a-whole"; readonly reason: string };

export interface ChunkPorts {
  readonly store: ObjectStore;
  /** null = finished rows wait in memory alone while the store is away */
  readonly spool: Spool | null;
  /** of all chunks of the worker, as is `ahead` */
  readonly memory: RowMemory;
  readonly ahead: RowsAhead;
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
  /** called when the rows stand in line for slots, and counted there */
  readonly onLined: () => void;
  readonly onAway: (error: AssayError) => void;
  /** so many finished rows of the chunk are on this host's disk, since the store does not take them */
  readonly onSpooled: (rows: number) => void;
  /** calls back when a queue that answers does not know the lease any more */
  readonly onRefused: (listener: () => void) => void;
}
