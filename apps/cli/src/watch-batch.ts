import { AssayError, isAssayError, isEnded } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { commandLine } from "./command-line.ts";
import { createSpeed, progressText, showProgress } from "./progress.ts";
import { type BatchState, readState, readSummary } from "./read-state.ts";
import { count, counted, note } from "./say.ts";
import type { CompleteBatch } from "./show-summary.ts";
import { systemClock } from "./system-clock.ts";
import { whyNotDone } from "./why-not-done.ts";

/** The store is asked this often: a few small requests, and one LIST a thousand chunks. */
const pollMs = 2_000;

/**
 * Waits for a batch that others work on. Resolves when it is complete; a paused one is said once and waited for.
 * Rejects with E_BATCH_CANCELLED, or E_NOT_FINISHED when the time is over or the signal fires. A store that is away
 * is waited for.
 */
export async function watchBatch(
  store: ObjectStore,
  batch: string,
  options: { timeoutMs: number | null; root: string | undefined; signal: AbortSignal },
): Promise<CompleteBatch> {
  const startedAt = Date.now();
  let seen = await readState(store, batch);
  const speed = createSpeed(startedAt, seen.doneRows);
  const progress = showProgress(() =>
    progressText(seen.state === "running" ? "waiting" : seen.state, {
      rows: seen.doneRows,
      total: seen.file.counts.rows,
      failed: null,
      rowsPerSecond: speed.rowsPerSecond(Date.now()),
    }),
  );
  let saidPaused = 0;
  try {
    for (;;) {
      const { control, doneRows, file } = seen;
      if (seen.state === "complete") {
        const summary = await readSummary(store, batch);
        return { store, file, summary, seconds: null };
      }
      if (isEnded(control.state) && control.state === "cancelled") throw whyNotDone(seen, options.root);
      if (seen.state === "paused" && saidPaused !== control.n) {
        saidPaused = control.n;
        note(`${batch} is paused${control.last?.reason == null ? "" : `: ${control.last.reason}`}; waiting for`);
        note(`  ${commandLine(["resume", batch], options.root)}`);
      }
      const over = options.timeoutMs !== null && Date.now() - startedAt >= options.timeoutMs;
      if (over || options.signal.aborted) {
        const why = over
          ? `not complete within ${(options.timeoutMs ?? 0) / 1_000} s`
          : "stopped waiting; workers go on with the batch";
        throw notComplete(why, seen, options.root);
      }
      const left = options.timeoutMs === null ? pollMs : startedAt + options.timeoutMs - Date.now();
      await systemClock.sleep(Math.max(1, Math.min(pollMs, left)), options.signal);
      seen = await readAgain(store, seen);
      if (seen.doneRows !== doneRows) speed.add(Date.now(), seen.doneRows);
    }
  } finally {
    progress.stop();
  }
}

async function readAgain(store: ObjectStore, before: BatchState): Promise<BatchState> {
  try {
    return await readState(store, before.file.batch, before.file);
  } catch (error) {
    if (isAssayError(error, "E_STORE_UNAVAILABLE")) return before;
    throw error;
  }
}

function notComplete(why: string, seen: BatchState, root: string | undefined): AssayError {
  return new AssayError("E_NOT_FINISHED", why, {
    where: seen.file.batch,
    expected: counted(seen.file.counts.rows, "row"),
    got: `${count(seen.doneRows)} done, ${seen.state}`,
    next: commandLine(["status", seen.file.batch], root),
  });
}
