import { AssayError, type BatchFile, type ControlState, type Pin, successKey, summaryKey } from "@assay/core";
import { type BatchSummary, type Control, loadBatch, readControl, readLedger, readPin } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";

/** A batch as the store tells it at one moment. */
export interface BatchState {
  readonly file: BatchFile;
  readonly control: Control;
  /** `finishing`: every shard is there, and a worker has still to write the summary */
  readonly state: ControlState | "finishing";
  readonly doneRows: number;
  readonly doneChunks: number;
  readonly missing: readonly number[];
  readonly pin: Pin | null;
}

/** Reads it anew; pass the batch.json where it is known, which is the large part. */
export async function readState(store: ObjectStore, batch: string, known?: BatchFile): Promise<BatchState> {
  const file = known ?? (await loadBatch(store, batch));
  const [control, pin, success] = await Promise.all([
    readControl(store, batch),
    readPin(store, batch),
    store.head(successKey(batch)),
  ]);
  if (success !== null) {
    const { rows } = file.counts;
    return { file, control, pin, state: "complete", doneRows: rows, doneChunks: file.chunks.length, missing: [] };
  }
  const ledger = await readLedger(store, file);
  const isFinishing = control.state === "complete" || (control.state === "running" && ledger.missing.length === 0);
  return {
    file,
    control,
    pin,
    state: isFinishing ? "finishing" : control.state,
    doneRows: ledger.doneRows,
    doneChunks: ledger.doneChunks,
    missing: ledger.missing,
  };
}

/** summary.json of a complete batch. Throws E_BROKEN when it is not there or cannot be read. */
export async function readSummary(store: ObjectStore, batch: string): Promise<BatchSummary> {
  const bytes = await store.get(summaryKey(batch));
  try {
    if (bytes !== null) return JSON.parse(new TextDecoder().decode(bytes)) as BatchSummary;
  } catch {
    // falls through: absent and unreadable are one fault
  }
  throw new AssayError("E_BROKEN", "a complete batch has no summary.json that can be read", {
    where: summaryKey(batch),
    next: `assay verify ${batch}`,
  });
}
