import { type BatchFile, canonicalJson, isAssayError, layoutSha256, successKey, verdictRule } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { listBatches } from "./batch-index.ts";
import { loadBatchIfPresent } from "./load-batch.ts";

/** Newest batches of the root that are looked at. */
const lookedAt = 100;
/** A batch.json of 10M rows is 3 MB: so many in memory at once are little. */
const readsAtOnce = 8;

/**
 * The complete batch among the root's last 100 that has scored most of these inputs (files of the same name, size and
 * number of records) in the same way, so that `--reuse` would save asking them again; null where none has any, or
 * where all that is found is reused already. A hint for a person: what is reused is decided row by row, by row_key.
 */
export async function findScoredInputs(
  store: ObjectStore,
  file: BatchFile,
): Promise<{ batch: string; inputs: number } | null> {
  const names: string[] = [];
  for await (const batch of listBatches(store)) {
    if (batch !== file.batch && !file.reuse.includes(batch)) names.push(batch);
    if (names.length >= lookedAt) break;
  }
  const wanted = new Set(file.inputs.map(inputIdentity));
  let best: { batch: string; inputs: number } | null = null;
  for (let first = 0; first < names.length; first += readsAtOnce) {
    const some = await Promise.all(
      names.slice(first, first + readsAtOnce).map((batch) => loadIfReadable(store, batch)),
    );
    for (const other of some) {
      if (other === null || askedOf(other) !== askedOf(file)) continue;
      const inputs = other.inputs.filter((input) => wanted.has(inputIdentity(input))).length;
      // the newest first: of equal ones it stays
      if (inputs <= (best?.inputs ?? 0)) continue;
      if ((await store.head(successKey(other.batch))) !== null) best = { batch: other.batch, inputs };
    }
  }
  return best;
}

function inputIdentity({ input, bytes, records }: BatchFile["inputs"][number]): string {
  return canonicalJson([input, bytes, records]);
}

/** What has to be equal for any row_key to be, and for its reward to stand here. */
function askedOf({ model, revision, profile, samples, seed, strip, specials }: BatchFile): string {
  const asked = [layoutSha256(profile), profile.sampling, verdictRule(profile)];
  return canonicalJson([model, revision, ...asked, samples, seed, strip, specials]);
}

async function loadIfReadable(store: ObjectStore, batch: string): Promise<BatchFile | null> {
  try {
    return await loadBatchIfPresent(store, batch);
  } catch (error) {
    // of another generation, or damaged: nothing to reuse
    if (isAssayError(error, "E_BROKEN") || isAssayError(error, "E_USAGE")) return null;
    throw error;
  }
}
