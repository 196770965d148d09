import type { EngineOutcome, EngineRequest, Pin } from "@assay/core";

/**
 * The engines of a worker. A pool limits how many rows are in flight per engine over all chunks of the worker, and
 * picks the engine for each row.
 */
export interface EnginePool {
  /** What the probe found, engine by engine. */
  readonly engines: readonly EngineFacts[];

  /**
   * A slot on the live engine with the fewest rows in flight, in the order of asking. Waits while all slots are taken
   * or every engine is down. Rejects with E_ABORTED when the signal aborts, and with E_ENGINES_FENCED when every
   * engine is fenced.
   */
  acquire(signal: AbortSignal): Promise<EngineSlot>;

  /** Rows that wait for a slot now. */
  readonly waiting: number;
  /** Slots of engines that are neither down nor fenced. */
  readonly capacity: number;
  /** Resolves when fewer than `rows` rows wait for a slot; at once when that is so now, or when the signal aborts. */
  whenWaitingBelow(rows: number, signal: AbortSignal): Promise<void>;

  /** Takes an engine out for good (failure budget). Its slots in flight end as they end. */
  fence(origin: string, reason: string): void;

  close(): Promise<void>;
}

export interface EngineSlot {
  readonly engine: EngineFacts;
  /**
   * Sends one request and reads the whole answer. Failures are values; rejects only for faults of our own. Aborting
   * the signal closes the socket, which frees the engine's KV blocks. A row may send several requests in its slot.
   */
  complete(request: EngineRequest, options: { signal: AbortSignal; deadlineMs: number }): Promise<EngineOutcome>;
  /** Gives the slot back. Must be called once, whatever happened. */
  release(): void;
}

/** What the probe of one engine found. */
export interface EngineFacts {
  /** scheme, host and port; no user info, no path: the `engine` column */
  readonly origin: string;
  readonly model: string;
  /** vLLM's own version, or "unknown" */
  readonly version: string;
  readonly maxModelLen: number | null;
  /** the ways of reading a verdict that work here, best first */
  readonly ways: readonly ("two-step" | "ids")[];
  readonly pin: Pin;
}
