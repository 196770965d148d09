import { type BatchFile, endKey, isAssayError, type PartialFile, shardKey, startKey } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { listPartial } from "./read-partial.ts";
import { waitForStore } from "./wait-for-store.ts";

/** One attempt at a chunk, as everybody who lists its partial/ sees it (protocol V4, V17). */
export interface ChunkAttempt {
  /** 16 random hex digits */
  readonly id: string;
  /**
   * Puts `.start`, then looks who else has begun. Called before each row is sent, done once: a chunk that waits for an
   * engine has not begun. Rejects with E_ABORTED.
   */
  begin(): Promise<void>;
  /** Whether somebody else has begun the chunk since, or committed it. False where the store does not say. */
  isOvertaken(): Promise<boolean>;
  /** Puts `.end` where `.start` may stand: the attempt is given up, and nothing died. Never rejects. */
  end(): Promise<void>;
}

const nothing = new Uint8Array();

/** `found` is what stood in the chunk's partial/ before. */
export function startAttempt(
  store: ObjectStore,
  of: { file: BatchFile; chunk: number; id: string; found: readonly PartialFile[] },
  wait: Parameters<typeof waitForStore>[1],
): ChunkAttempt {
  const { batch } = of.file;
  let known = startsIn(of.found);
  let begun: Promise<void> | null = null;

  /** Of two that begin at once at least the later one sees the other: then not both can take the other for the newer. */
  async function putStart(): Promise<void> {
    await waitForStore(() => store.putIfAbsent(startKey(batch, of.chunk, of.id), nothing), wait);
    known = startsIn(await waitForStore(() => listPartial(store, batch, of.chunk), wait));
  }

  return {
    id: of.id,
    begin() {
      begun ??= putStart();
      return begun;
    },
    async isOvertaken() {
      try {
        if ((await store.head(shardKey(batch, of.chunk))) !== null) return true;
        const starts = startsIn(await listPartial(store, batch, of.chunk));
        return [...starts].some((id) => id !== of.id && !known.has(id));
      } catch (error) {
        if (isAssayError(error)) return false;
        throw error;
      }
    },
    async end() {
      if (begun === null) return;
      // where the store is away it counts as a death, which costs width and no row
      await store.putIfAbsent(endKey(batch, of.chunk, of.id), nothing).catch(() => {});
    },
  };
}

function startsIn(files: readonly PartialFile[]): Set<string> {
  return new Set(files.filter(({ kind }) => kind === "start").map(({ attempt }) => attempt));
}
