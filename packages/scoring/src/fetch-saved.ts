import type { ObjectStore } from "@assay/store";
import { type FetchedPartial, fetchPartial } from "./read-partial.ts";
import type { Spool } from "./spool.ts";

/**
 * What stands in a chunk's partial/, and behind it the checkpoints that the store did not take yet and this host's disk
 * holds: their rows are not asked again either. Rejects as the store does. Memory: all checkpoints.
 */
export async function fetchSaved(
  { store, spool }: { readonly store: ObjectStore; readonly spool: Spool | null },
  batch: string,
  chunk: number,
): Promise<FetchedPartial> {
  const [there, here] = await Promise.all([fetchPartial(store, batch, chunk), spool?.held(batch, chunk) ?? []]);
  return { files: there.files, checkpoints: [...there.checkpoints, ...here] };
}
