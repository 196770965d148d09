import { seededUint32 } from "./seeded-uint32.ts";

/** In which order a batch's chunks are worked on; changes nothing of what is asked. */
export const chunkOrders = ["mixed", "file"] as const;
export type ChunkOrder = (typeof chunkOrders)[number];

/** Batches of at most so many chunks (some 3,300 rows) are over soon enough: file order. */
const mostInFileOrder = 100;

interface OrderedBatch {
  readonly order: ChunkOrder;
  readonly chunks: { readonly length: number };
}

/** Whether what is done of a batch is a fair sample of it. */
export function runsMixed({ order, chunks }: OrderedBatch): boolean {
  return order === "mixed" && chunks.length > mostInFileOrder;
}

/**
 * The chunk numbers of a batch in the order in which they are worked on. Larger batches run mixed, so that what is done
 * by seven in the morning is a fair sample of the whole and not the first input files. Pure, and the same for everybody
 * who asks: workers agree on it without telling each other. 4 bytes a chunk.
 */
export function chunksInOrder(batch: OrderedBatch & { readonly sha256: string }): Uint32Array {
  const { length } = batch.chunks;
  if (runsMixed(batch)) return permuteChunks(batch.sha256, length);
  return Uint32Array.from({ length }, (_, chunk) => chunk);
}

/** A permutation of 0 to `length` - 1 that follows from the first 128 bits of a sha256 in hex alone (Fisher and Yates). */
export function permuteChunks(sha256: string, length: number): Uint32Array {
  const next = seededUint32(sha256);
  const order = Uint32Array.from({ length }, (_, chunk) => chunk);
  for (let i = length - 1; i > 0; i -= 1) {
    // of 2^32 values for at most 10^6 places: the unevenness is below one in 4,000
    const j = next() % (i + 1);
    const chunk = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = chunk;
  }
  return order;
}
