import type { RangeReader } from "@assay/core";

/**
 * The object store: put-if-absent, get and list. No overwrite exists, and removal only where nothing
 * precious can be. Keys are relative to the store's root, "/" between parts, no "..", no empty part, no leading "/".
 *
 * Every method: rejects with AssayError E_STORE_UNAVAILABLE (does not answer within its own time limits after its own
 * retries), E_DENIED (credentials or rights), or E_ABORTED (the caller's signal). No call can hang for ever.
 */
export interface ObjectStore {
  /** The root as a person writes it: a directory or s3://bucket/prefix. For messages; holds no secret. */
  readonly uri: string;

  /** The whole object, or null when there is none. */
  get(key: string, options?: { signal?: AbortSignal }): Promise<Uint8Array | null>;

  /**
   * Stores the bytes under a key that holds nothing yet. Of any number of callers exactly one is told "created" for
   * good; a caller whose own earlier attempt was stored but whose answer was lost is told "created", too. The bytes
   * are durable when this resolves, and no reader ever sees a part of them.
   */
  putIfAbsent(key: string, bytes: Uint8Array, options?: { signal?: AbortSignal }): Promise<PutResult>;

  /** Objects whose key begins with `prefix`, ascending by UTF-8 bytes, pages fetched as they are consumed. */
  list(prefix: string, options?: { after?: string; limit?: number; signal?: AbortSignal }): AsyncIterable<ObjectInfo>;

  /** Size of the object, or null when there is none. */
  head(key: string, options?: { signal?: AbortSignal }): Promise<{ size: number } | null>;

  /**
   * The object as it streams in, for inputs of any size; null when there is none. The stream ends only with the last
   * byte; E_INPUT_CHANGED when another object took its place meanwhile.
   */
  read(key: string, options?: { signal?: AbortSignal }): Promise<AsyncIterable<Uint8Array> | null>;

  /**
   * The object by ranges, for inputs that are read from their end; null when there is none. Reads reject with
   * E_INPUT_CHANGED when another object took its place since, E_INTERNAL for a range outside of it.
   */
  ranges(key: string, options?: { signal?: AbortSignal }): Promise<RangeReader | null>;

  /** Removes an object under <batch>/partial/ or _tmp/; throws E_INTERNAL for any other key. Absent is fine. */
  remove(key: string, options?: { signal?: AbortSignal }): Promise<void>;
}

export type PutResult = "created" | "exists";

export interface ObjectInfo {
  readonly key: string;
  readonly size: number;
  /** epoch milliseconds; for people, since clocks differ: nothing is decided by it but what is shown */
  readonly modified?: number;
}
