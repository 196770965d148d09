import type { InputBytes } from "@assay/core";
import type { ReadRecord, RecordBatch } from "../src/read-jsonl.ts";

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The reads of a source, as they are given. */
export async function* reads(given: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* given;
}

/** An input in memory, handed over in parts of `partBytes`. */
export function inputOf(bytes: Uint8Array | string, partBytes = 777): InputBytes {
  const all = typeof bytes === "string" ? encode(bytes) : bytes;
  return {
    open: async () => parts(all, partBytes),
    ranges: async () => ({
      size: all.length,
      read: async (from, to) => Uint8Array.from(all.subarray(from, to)),
      close: async () => {},
    }),
  };
}

export async function* parts(bytes: Uint8Array, partBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += partBytes) yield bytes.subarray(at, at + partBytes);
}

export interface Told {
  readonly records: ReadRecord[];
  blank: number;
  torn: number;
  bytes: number;
}

/** Everything that a reader tells. */
export async function tell(batches: AsyncIterable<RecordBatch>): Promise<Told> {
  const { told, error } = await tellToEnd(batches);
  if (error !== null) throw error;
  return told;
}

/** What was told until the end, and the error that was one. */
export async function tellToEnd(batches: AsyncIterable<RecordBatch>): Promise<{ told: Told; error: unknown }> {
  const told: Told = { records: [], blank: 0, torn: 0, bytes: 0 };
  try {
    for await (const { records, blank, torn, bytes } of batches) {
      told.records.push(...records);
      told.blank += blank;
      told.torn += torn;
      told.bytes += bytes;
    }
  } catch (error) {
    return { told, error };
  }
  return { told, error: null };
}

/** Line, and the value or the code. */
export const short = ({ records }: Told): [number, unknown][] =>
  records.map(({ line, parsed }) => [line, parsed.ok ? parsed.value : parsed.bad]);
