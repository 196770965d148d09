import { AssayError, isAssayError } from "@assay/core";
import type { Clock } from "./clock.ts";

/**
 * Runs `work` until the store answers: a store that is away costs waiting, never a row and never a chunk. Pauses grow
 * from 1 s to 30 s (a bucket that is away for an hour is asked 130 times). Gives up only with the signal, then
 * rejects with E_ABORTED. Other errors pass through at once.
 */
export async function waitForStore<T>(
  work: () => Promise<T>,
  options: { clock: Clock; signal: AbortSignal; onAway?: (error: AssayError) => void },
): Promise<T> {
  for (let pauseMs = 1_000; ; pauseMs = Math.min(pauseMs * 2, 30_000)) {
    throwIfAborted(options.signal);
    try {
      return await work();
    } catch (error) {
      if (!isAssayError(error, "E_STORE_UNAVAILABLE")) throw error;
      options.onAway?.(error);
      await options.clock.sleep(pauseMs, options.signal);
    }
  }
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new AssayError("E_ABORTED", "stopped before the work was done");
}
