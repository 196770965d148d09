/** An input as bytes: front to back, or by ranges. Each call begins anew; both see the same bytes or throw. */
export interface InputBytes {
  open(): Promise<AsyncIterable<Uint8Array>>;
  /** For formats that are read from their end (Parquet). */
  ranges(): Promise<RangeReader>;
}

/**
 * Reads pieces of something that lies still. Throws E_INPUT_CHANGED when another object took its place since it was
 * opened. A range reaches from `from` to before `to`, within `size`; the bytes are the caller's.
 */
export interface RangeReader {
  readonly size: number;
  read(from: number, to: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}
