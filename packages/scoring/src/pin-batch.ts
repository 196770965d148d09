import { AssayError, type Pin, pinBytes, pinDifferences, pinKey, pinSchema } from "@assay/core";
import type { ObjectStore } from "@assay/store";

export async function readPin(store: ObjectStore, batch: string): Promise<Pin | null> {
  const bytes = await store.get(pinKey(batch));
  if (bytes === null) return null;
  try {
    return pinSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new AssayError("E_BROKEN", "pin.json is not one of ours", { where: pinKey(batch), cause });
  }
}

/**
 * Pins a batch to what its first worker found, or compares with what an earlier one pinned: two
 * revisions, templates or log-probability modes never meet in one batch, and simulated rewards never meet real ones.
 * Returns what is pinned, whose way of reading may be another: that is the caller's to join. Throws E_SIMULATED_MIX or
 * E_PIN_MISMATCH with both values and `origin`, the engine that differs. Idempotent.
 */
export async function pinBatch(store: ObjectStore, batch: string, found: Pin, origin?: string): Promise<Pin> {
  await store.putIfAbsent(pinKey(batch), pinBytes(found));
  const pinned = await readPin(store, batch);
  if (pinned === null)
    throw new AssayError("E_BROKEN", "pin.json vanished after it was written", { where: pinKey(batch) });
  refuseOtherPin(pinned, found, origin === undefined ? pinKey(batch) : `${origin}, against ${pinKey(batch)}`);
  return pinned;
}

/** Throws E_SIMULATED_MIX or E_PIN_MISMATCH, with both values, where two pins are not equal. */
export function refuseOtherPin(pinned: Pin, found: Pin, where: string): void {
  const differences = pinDifferences(pinned, found);
  if (differences.length === 0) return;
  if (pinned.simulated !== found.simulated) {
    throw new AssayError("E_SIMULATED_MIX", "a batch begun on one kind of engine never goes on with the other", {
      where,
      expected: pinned.simulated ? "a simulated engine, like the first one" : "a real engine, like the first one",
      got: found.simulated ? "a simulated engine" : "a real engine",
    });
  }
  throw new AssayError("E_PIN_MISMATCH", "this engine is not like the one that began the batch", {
    where,
    expected: differences.map(({ field, pinned: value }) => `${field} ${value}`).join(", "),
    got: differences.map(({ field, found: value }) => `${field} ${value}`).join(", "),
  });
}
