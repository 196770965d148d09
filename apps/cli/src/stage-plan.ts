import { AssayError, type BatchFile } from "@assay/core";
import { openRoot, readControl, stageBatch } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { commandLine } from "./command-line.ts";
import type { OpenedInputs } from "./open-inputs.ts";
import { assertWritable } from "./open-store.ts";
import type { PlannedInputs } from "./plan-inputs.ts";
import { showProgress } from "./progress.ts";
import { count } from "./say.ts";
import { systemClock } from "./system-clock.ts";

export interface StagedBatch {
  readonly file: BatchFile;
  readonly result: "created" | "exists";
  readonly rootId: string;
}

/** Pass 2 with its progress. Throws what stageBatch throws. */
export async function stagePlan(
  store: ObjectStore,
  { planned, settings, readRecords }: PlannedInputs,
  inputs: OpenedInputs,
  signal: AbortSignal,
): Promise<StagedBatch> {
  await assertWritable(store);
  const rootId = await openRoot(store, systemClock.random);
  let staged = 0;
  const progress = showProgress(() => `staging  ${count(staged)}/${count(planned.file.chunks.length)} chunks`);
  try {
    const { file, result } = await stageBatch(store, planned, inputs.sources, settings, readRecords, {
      signal,
      onProgress: (chunks) => {
        staged = chunks;
      },
    });
    return { file, result, rootId };
  } finally {
    progress.stop();
  }
}

/** A cancelled batch is not begun again by repeating the command: whoever cancelled it may not know. E_BATCH_CANCELLED. */
export async function refuseCancelled(store: ObjectStore, batch: string, root: string | undefined): Promise<void> {
  const { state, last } = await readControl(store, batch);
  if (state !== "cancelled") return;
  throw new AssayError("E_BATCH_CANCELLED", "this batch was cancelled", {
    where: batch,
    got: `cancelled by ${last?.by ?? "somebody"} at ${last?.at ?? "an unknown time"}`,
    next: commandLine(["resume", batch], root),
  });
}
