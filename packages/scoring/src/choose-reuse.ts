import { AssayError, type Profile } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { findBatch } from "./batch-index.ts";
import { loadBatch } from "./load-batch.ts";
import { refuseOtherVerdict, refuseUnfinished } from "./open-reuse.ts";

/**
 * The batches that a person named for reuse, by their full names, sorted and each once, so that the same wish is the
 * same batch. Throws E_NO_SUCH_BATCH, and E_USAGE for one that is not complete, of another model or read by another
 * rule, whose results could stand for no row.
 */
export async function chooseReuse(
  store: ObjectStore,
  texts: readonly string[],
  { model, profile }: { readonly model: string; readonly profile: Profile },
): Promise<string[]> {
  const names = new Set<string>();
  for (const text of texts) {
    const batch = await findBatch(store, text);
    const file = await loadBatch(store, batch);
    if (file.model !== model) {
      throw new AssayError("E_USAGE", "results of another model stand for no row of this one", {
        where: batch,
        expected: model,
        got: file.model,
      });
    }
    refuseOtherVerdict(file, profile);
    await refuseUnfinished(store, batch);
    names.add(batch);
  }
  return [...names].sort();
}
