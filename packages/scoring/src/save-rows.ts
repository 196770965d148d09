import {
  type AssayError,
  type BatchFile,
  checkpointKey,
  encodeCheckpoint,
  isAssayError,
  isWorthKeeping,
  type Pin,
  pinSha256,
  type ResultRow,
} from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { answerWithin } from "./answer-within.ts";
import type { Clock } from "./clock.ts";
import { zip } from "./gzip.ts";
import type { HeldRow, RowMemory } from "./row-memory.ts";
import type { Spool } from "./spool.ts";
import { untilAborted } from "./wait-for-store.ts";

/** Finished rows are in the store at the latest when so many wait, or the first of them has waited so long (P3). */
export const saveAtRows = 64;
export const saveEveryMs = 30_000;
/** A put that says nothing for so long may not say anything for minutes. */
const silentAfterMs = 3_000;
/** While a row that has to be saved before the next one is sent waits for a store that is away. */
const saveAgainMs = 1_000;

/** Puts the finished rows of one attempt at a chunk into the store, a checkpoint at a time. */
export interface RowSaver {
  /** A row has ended; it is in the store within 30 s or 63 further rows, unless the chunk is committed before. */
  add(row: ResultRow): void;
  /** Puts what is not in the store yet. Never rejects: what cannot be put is tried again, or told to `onError`. */
  save(): Promise<void>;
  /**
   * Adds a row and saves it, whatever it ended in, so that the next death is not laid to it. A store that is away is
   * waited for until the signal aborts.
   */
  saveNow(row: ResultRow, signal: AbortSignal): Promise<void>;
  /** Saves until nothing is left or the signal aborts. */
  saveAll(signal: AbortSignal): Promise<void>;
  /** Resolves when nothing is put any more; what the store did not take is held no longer. */
  close(): Promise<void>;
}

/**
 * A saver for the attempt `attempt`, whose `rows` rows are all that are missing: with the last of them the commit
 * follows, so that a chunk that ends soon costs no checkpoint. Rows that are not worth keeping are left out. Checkpoints
 * are never overwritten and never deleted here. A store that is away is asked again 30 s later (`onAway`); any other
 * refusal goes to `onError`. What the store does not take, or says nothing of for 3 s, is meanwhile kept in `spool`, for
 * the case that this process ends before the store is back (`onSpooled`). Once `giveUp` has aborted no put is waited for
 * any longer than that. All that the store does not have counts in `memory`. `onSaved` hears of
 * each checkpoint.
 */
export function saveRows(
  ports: { store: ObjectStore; spool: Spool | null; memory: RowMemory; clock: Clock },
  of: { file: BatchFile; pin: Pin; chunk: number; attempt: string; rows: number; giveUp: AbortSignal },
  tell: {
    onSaved: () => void;
    onSpooled: (rows: number) => void;
    onAway: (error: AssayError) => void;
    onError: (error: unknown) => void;
  },
): RowSaver {
  const { store, spool, memory, clock } = ports;
  const header = {
    batch_sha256: of.file.sha256,
    format: of.file.format,
    pin_sha256: pinSha256(of.pin),
    attempt: of.attempt,
  };
  let unsaved: HeldRow[] = [];
  let left = of.rows;
  let seq = 0;
  /** holds no row that is not in `unsaved`, too */
  let spooled: string | null = null;
  /** the last put failed */
  let isAway = false;
  let saving: Promise<void> = Promise.resolve();
  let timer: AbortController | null = null;
  const closing = new AbortController();

  function save(): Promise<void> {
    saving = saving.then(putUnsaved);
    return saving;
  }

  async function putUnsaved(): Promise<void> {
    timer?.abort();
    timer = null;
    const rows = unsaved;
    if (rows.length === 0) return;
    unsaved = [];
    // a number of its own for each try: a put whose answer was lost may have stored fewer rows than this one
    const key = checkpointKey(of.file.batch, of.chunk, of.attempt, seq);
    seq += 1;
    const bytes = await zip(
      encodeCheckpoint(
        header,
        rows.map(({ row }) => row),
      ),
    );
    let isKept = false;
    const keepOnce = async (): Promise<void> => {
      if (!isKept) await keep(key, bytes, rows);
      isKept = true;
    };
    if (isAway) await keepOnce();
    const answer = await put(key, bytes, keepOnce);
    if (answer === "taken") {
      isAway = false;
      memory.release(rows);
      tell.onSaved();
      await respool(null);
    } else {
      unsaved = [...rows, ...unsaved];
      await keepOnce();
      isAway = true;
      if (answer !== "silent") {
        if (!isAssayError(answer.error, "E_STORE_UNAVAILABLE")) return tell.onError(answer.error);
        tell.onAway(answer.error);
      }
    }
    if (unsaved.length > 0) saveLater();
  }

  /** "silent": the store has not answered, and the rows are given up. `onSilence` is awaited first. */
  async function put(
    key: string,
    bytes: Uint8Array,
    onSilence: () => Promise<void>,
  ): Promise<"taken" | "silent" | { error: unknown }> {
    const answered = store.putIfAbsent(key, bytes).then(
      () => "taken" as const,
      (error: unknown) => ({ error }),
    );
    const early = await answerWithin(clock, silentAfterMs, answered);
    if (early !== "silent") return early;
    await onSilence();
    return untilAborted(answered, of.giveUp).catch(() => "silent" as const);
  }

  async function keep(key: string, bytes: Uint8Array, rows: readonly HeldRow[]): Promise<void> {
    if (spool === null || !(await spool.keep(key, bytes))) return;
    memory.noteSpooled(rows);
    await respool(key);
    tell.onSpooled(rows.length);
  }

  /** Each file in the spool holds the rows of the one before it. */
  async function respool(key: string | null): Promise<void> {
    const before = spooled;
    spooled = key;
    if (before !== null) await spool?.drop(before);
  }

  async function saveAll(signal: AbortSignal): Promise<void> {
    for (await save(); unsaved.length > 0 && !signal.aborted; await save()) await clock.sleep(saveAgainMs, signal);
  }

  function saveLater(): void {
    if (timer !== null || closing.signal.aborted) return;
    const own = new AbortController();
    timer = own;
    void clock.sleep(saveEveryMs, own.signal).then(() => (own.signal.aborted ? undefined : save()));
  }

  return {
    add(row) {
      left -= 1;
      if (!isWorthKeeping(row)) return;
      unsaved.push(memory.hold(row));
      if (left > 0 && unsaved.length % saveAtRows === 0) void save();
      else saveLater();
    },
    save,
    saveNow(row, signal) {
      left -= 1;
      unsaved.push(memory.hold(row));
      return saveAll(signal);
    },
    saveAll,
    async close() {
      closing.abort();
      timer?.abort();
      await saving;
      memory.release(unsaved);
      unsaved = [];
    },
  };
}
