import { isAssayError, readPartialKey } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { type FetchedPartial, fetchPartial } from "./read-partial.ts";

/** Finished rows of a whole node for hours: 2 GB of checkpoints are about 100,000 rows with all their reasoning. */
const maxSpoolBytes = 2 * 1024 ** 3;

/** Where finished rows outlive their process while the store takes nothing: a disk of this host. */
export interface Spool {
  /**
   * Keeps what will be put under `key` later; true once it is durable. False where the disk does not take it: it is
   * full, broken, or holds 2 GB already. Never rejects with an AssayError.
   */
  keep(key: string, bytes: Uint8Array): Promise<boolean>;
  /**
   * The checkpoints of a chunk that are here, in key order: of this process, of one that ended before the store took
   * them, or of a sibling on this host. A disk that does not answer holds none.
   */
  held(batch: string, chunk: number): Promise<FetchedPartial["checkpoints"]>;
  /** The store has it, or more. Never rejects. */
  drop(key: string): Promise<void>;
}

/** A spool on `disk`, a directory that is a store, too: checkpoints stand there under the keys they will have. */
export function openSpool(disk: ObjectStore, maxBytes = maxSpoolBytes): Spool {
  return {
    async keep(key, bytes) {
      try {
        let held = bytes.length;
        for await (const { size } of disk.list("")) held += size;
        if (held > maxBytes) return false;
        await disk.putIfAbsent(key, bytes);
        return true;
      } catch (error) {
        if (isAssayError(error)) return false;
        throw error;
      }
    },
    held: (batch, chunk) =>
      fetchPartial(disk, batch, chunk).then(
        ({ checkpoints }) => checkpoints,
        () => [],
      ),
    // what stays is put once more by emptySpool, which does no harm
    drop: (key) => disk.remove(key).catch(() => {}),
  };
}

/** Keys of the checkpoints on `disk`, ascending. */
export async function* listSpool(disk: ObjectStore): AsyncGenerator<string> {
  for await (const { key } of disk.list("")) if (readPartialKey(key)?.kind === "rows") yield key;
}
