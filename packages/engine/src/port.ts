import type { EngineOutcome, EngineRequest, Pin, PromptPrefix, ReadWay, ServerForm } from "@assay/core";

/** What became of an engine that was lost: the same process goes on, or it (or what was in flight there) is gone. */
export type Fate = "lives" | "died";

/**
 * The engines of a worker. A pool limits how many rows are in flight per engine over all chunks of the worker, and
 * picks the engine for each row.
 */
export interface EnginePool {
  /** scheme, host and port of each engine, in the order given */
  readonly origins: readonly string[];

  /**
   * A slot on the engine where a row with this prefix was sent last, while that one lives and has at most 1.25 times
   * its fair share of the rows in flight; else on the live engine with the fewest. Waits while all slots are taken or
   * every engine is down; a slot never waits while a row does. Served in the order of asking, except that a freed slot
   * first goes to a row whose prefix is at home there; nobody is overtaken for ever. `batch` says whose fences hold.
   * Rejects with E_ABORTED when the signal aborts, and with E_ENGINES_FENCED when every engine is fenced for the batch.
   */
  acquire(batch: string, signal: AbortSignal, prefix?: PromptPrefix): Promise<EngineSlot>;

  /**
   * A slot on an engine that works on nothing else and is sent nothing else until it is released: waits for what is in
   * flight there to end. Of engines that are not down and not fenced for the batch, the one with the fewest rows. It
   * knows of this pool's rows only: where several workers share an engine, nobody is alone. Rejects as `acquire` does.
   */
  acquireAlone(batch: string, signal: AbortSignal): Promise<EngineSlot>;

  /**
   * Names the process that is behind an engine's URL when it is asked: 8 hex digits, the same for whoever names the
   * engine by the same origin, never the same for another process. Null where it does not answer or does not tell, and
   * for an origin that is none of the pool's. Never rejects.
   */
  life(origin: string): Promise<string | null>;

  /**
   * Resolves when an engine takes rows of the batch: one that is neither down nor fenced for it, whether it has a slot or
   * not. Rejects as `acquire` does.
   */
  whenOpen(batch: string, signal: AbortSignal): Promise<void>;

  /** Rows that wait for a slot now. */
  readonly waiting: number;
  /** Slots of the engines that are not down. */
  readonly capacity: number;
  /** Of these, those of engines that are not fenced for the batch. */
  capacityFor(batch: string): number;

  /**
   * Keeps an engine away from one batch (failure budget): a wrong setting of one batch says nothing about another.
   * Slots in flight end as they end; an engine that comes back as another process is let in again. Idempotent.
   */
  fence(batch: string, origin: string, reason: string): void;
  isFenced(batch: string, origin: string): boolean;
  /** Takes all fences of a batch away, when it is paused or resumed. */
  lift(batch: string): void;

  close(): Promise<void>;
}

export interface EngineSlot {
  /** scheme, host and port; no user info, no path: the `engine` column */
  readonly origin: string;
  /**
   * Sends one request and reads the whole answer. Failures are values; rejects only for faults of our own. Aborting
   * the signal closes the socket, which frees the engine's KV blocks. A row may send several requests in its slot.
   * An engine that was lost takes no more rows until it answers again.
   */
  complete(request: EngineRequest, options: { signal: AbortSignal; deadlineMs: number }): Promise<EngineOutcome>;
  /**
   * After `complete` said `lost` or `unreached`: what became of the engine, once rows may go there again; that may take as long as a
   * restart. Never resolves when the pool is closed before.
   */
  fate(): Promise<Fate>;
  /** Gives the slot back. Further calls do nothing. */
  release(): void;
}

/** What the probe of one engine found for one profile. */
export interface EngineFacts {
  readonly origin: string;
  readonly model: string;
  /** vLLM's own version, or "unknown" */
  readonly version: string;
  readonly maxModelLen: number | null;
  /** the ways of reading a verdict that work here, best first */
  readonly ways: readonly ReadWay[];
  /** what its requests have to reckon with */
  readonly server: ServerForm;
  /** tokens of one KV block; null where it is not told */
  readonly blockSize: number | null;
  readonly pin: Pin;
}
