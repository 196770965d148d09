import { z } from "zod";
import { canonicalJson } from "./canonical-json.ts";

/**
 * reads.json: rows of a batch whose one answer was read both ways, and whether the two ways may stand in this batch
 * beside each other. Put-if-absent, before the first row that is read in another way than the first.
 */
export const readsFileSchema = z.strictObject({
  rows: z.int().positive(),
  /** of |reward in two steps - reward by ids|, in nats */
  p95: z.number().nonnegative(),
  median: z.number().nonnegative(),
  may_mix: z.boolean(),
  pairs: z.array(z.strictObject({ row_index: z.int().nonnegative(), two_step: z.number(), ids: z.number() })),
});
export type ReadsFile = z.infer<typeof readsFileSchema>;
export type ReadPair = ReadsFile["pairs"][number];

/** Rows read both ways before a batch may change its way. */
export const comparedRows = 64;
/** The two ways are the same reading when 95 of 100 rows differ by less than this, in nats of reward. */
const mostApart = 0.25;

/** The verdict on mixing, from the first `comparedRows` pairs. Throws RangeError for fewer. Pure. */
export function makeReadsFile(all: readonly ReadPair[]): ReadsFile {
  if (all.length < comparedRows) throw new RangeError(`makeReadsFile: ${all.length} pairs, expected ${comparedRows}`);
  const pairs = all.slice(0, comparedRows);
  const apart = pairs.map(({ two_step, ids }) => Math.abs(two_step - ids)).sort((a, b) => a - b);
  const p95 = nearestRank(apart, 0.95);
  return { rows: pairs.length, p95, median: nearestRank(apart, 0.5), may_mix: p95 < mostApart, pairs };
}

export function readsBytes(file: ReadsFile): Uint8Array {
  return new TextEncoder().encode(canonicalJson(file));
}

/** The smallest value that at least this share of the sorted values does not exceed. */
function nearestRank(sorted: readonly number[], share: number): number {
  return sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
}
