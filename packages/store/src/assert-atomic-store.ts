import { AssayError, probeKey, probePassedKey } from "@assay/core";
import { atomicStores } from "./atomic-stores.ts";
import type { ObjectStore } from "./port.ts";

/** Two in a row prove "honoured", not "atomic": eight at once. */
const racers = 8;

/**
 * Once a day and root: eight parallel puts of one key must have exactly one winner, since a store that ignores the
 * condition says 200 to all, and every promise of Assay would be gone without a word. Costs nine small puts. Throws
 * E_STORE_NOT_ATOMIC. `day` is yyyy-mm-dd.
 */
export async function assertAtomicStore(
  store: ObjectStore,
  options: { day: string; random: () => string },
): Promise<void> {
  if ((await store.head(probePassedKey(options.day))) !== null) return;
  const key = probeKey(options.day, options.random());
  const bytes = Array.from({ length: racers }, (_, i) => new TextEncoder().encode(`racer ${i}`));
  const results = await Promise.all(bytes.map((racer) => store.putIfAbsent(key, racer)));
  const winners = results.flatMap((result, i) => (result === "created" ? [i] : []));
  const stored = new TextDecoder().decode((await store.get(key)) ?? new Uint8Array());
  if (winners.length === 1 && stored === `racer ${winners[0]}`) {
    await store.putIfAbsent(probePassedKey(options.day), new Uint8Array());
    return;
  }
  throw new AssayError(
    "E_STORE_NOT_ATOMIC",
    "this store lets several writers win one key, so rows could be lost or doubled",
    {
      where: store.uri,
      expected: `exactly one of ${racers} parallel puts with If-None-Match: * wins, and its bytes are stored`,
      got: `${winners.length} won${winners.length === 1 ? ", and other bytes are stored" : ""}`,
      next: atomicStores,
    },
  );
}
