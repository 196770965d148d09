import {
  aloneKey,
  amongKey,
  type BatchFile,
  endKey,
  isAssayError,
  livedKey,
  type PartialFile,
  shardKey,
  startKey,
} from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { answerWithin } from "./answer-within.ts";
import { listPartial } from "./read-partial.ts";
import { waitForStore } from "./wait-for-store.ts";

/** One attempt at a chunk, as everybody who lists its partial/ sees it. */
export interface ChunkAttempt {
  /** 16 random hex digits */
  readonly id: string;
  /** attempts that had begun before this one was thought of */
  readonly elders: ReadonlySet<string>;
  /**
   * Puts `.start`, then looks who else has begun: what stands in partial/ then. Called before each row is sent, done
   * once: a chunk that waits for an engine has not begun. Rejects with E_ABORTED.
   */
  begin(): Promise<readonly PartialFile[]>;
  /** Names a row, before it is sent, as one of a few that may be to blame for the next death. Rejects with E_ABORTED. */
  nameAmong(row: number): Promise<void>;
  /** The same of one that is alone on the engine whose process is `life`, null where that does not tell. */
  nameAlone(row: number, life: string | null): Promise<void>;
  /** Says of another attempt that its engine has outlived it. Rejects with E_ABORTED. */
  acquit(attempt: string): Promise<void>;
  /** Whether somebody else has begun the chunk since, or committed it. False where the store does not say. */
  isOvertaken(): Promise<boolean>;
  /**
   * The same, and stricter: whether anybody who is no elder has begun and not ended. Of two that begin at the same
   * moment both may find themselves followed.
   */
  isFollowed(): Promise<boolean>;
  /**
   * Puts `.end` where `.start` may stand: the attempt is given up, and nothing died. Tries a few times, once where the
   * signal is aborted, and waits 2 s for each answer. Never rejects.
   */
  end(signal: AbortSignal): Promise<void>;
}

const nothing = new Uint8Array();
/** A hiccup of the store is over by then, and who drains is not held up. */
const endTries = 3;
const endAgainMs = 1_000;
/** A store that is silent for longer may be so for minutes; the put may still arrive. */
const endPatienceMs = 2_000;

/** `found` is what stood in the chunk's partial/ before. */
export function startAttempt(
  store: ObjectStore,
  of: { file: BatchFile; chunk: number; id: string; found: readonly PartialFile[] },
  wait: Parameters<typeof waitForStore>[1],
): ChunkAttempt {
  const { batch } = of.file;
  const elders = attemptsIn(of.found, "start");
  let known = elders;
  let begun: Promise<readonly PartialFile[]> | null = null;

  async function putMarker(key: string): Promise<void> {
    await waitForStore(() => store.putIfAbsent(key, nothing), wait);
  }

  /** Of two that begin at once at least the later one sees the other: then not both can take the other for the newer. */
  async function putStart(): Promise<readonly PartialFile[]> {
    await putMarker(startKey(batch, of.chunk, of.id));
    const files = await waitForStore(() => listPartial(store, batch, of.chunk), wait);
    known = attemptsIn(files, "start");
    return files;
  }

  /** Whether the shard is there, or an attempt that `matters`. */
  async function isPassedBy(matters: (id: string, ended: ReadonlySet<string>) => boolean): Promise<boolean> {
    try {
      if ((await store.head(shardKey(batch, of.chunk))) !== null) return true;
      const files = await listPartial(store, batch, of.chunk);
      const ended = attemptsIn(files, "end");
      return [...attemptsIn(files, "start")].some((id) => id !== of.id && matters(id, ended));
    } catch (error) {
      if (isAssayError(error)) return false;
      throw error;
    }
  }

  return {
    id: of.id,
    elders,
    begin() {
      begun ??= putStart();
      return begun;
    },
    nameAmong: (row) => putMarker(amongKey(batch, of.chunk, of.id, row)),
    nameAlone: (row, life) => putMarker(aloneKey(batch, of.chunk, of.id, row, life)),
    acquit: (other) => putMarker(livedKey(batch, of.chunk, other)),
    isOvertaken: () => isPassedBy((id) => !known.has(id)),
    isFollowed: () => isPassedBy((id, ended) => !elders.has(id) && !ended.has(id)),
    async end(signal) {
      if (begun === null) return;
      // where the store stays away it counts as a death, which costs width, and a row only together with another one
      for (let left = endTries; left > 0; left -= 1) {
        const put = store.putIfAbsent(endKey(batch, of.chunk, of.id), nothing).then(
          () => true,
          () => false,
        );
        const isPut = await answerWithin(wait.clock, endPatienceMs, put);
        if (isPut !== false || signal.aborted || left === 1) return;
        await wait.clock.sleep(endAgainMs, signal);
      }
    },
  };
}

function attemptsIn(files: readonly PartialFile[], kind: PartialFile["kind"]): ReadonlySet<string> {
  return new Set(files.filter((file) => file.kind === kind).map(({ attempt }) => attempt));
}
