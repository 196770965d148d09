import { AssayError, isAssayError } from "@assay/core";
import type { Clock } from "./clock.ts";

/**
 * Runs `work` until the store answers: a store that is away costs waiting, never a row and never a chunk. Pauses grow
 * from 1 s to 30 s (a bucket that is away for an hour is asked 130 times). Gives up only with the signal, then
 * rejects with E_ABORTED at once, also while the store is silent. Other errors pass through at once.
 */
export async function waitForStore<T>(
  work: () => Promise<T>,
  options: { clock: Clock; signal: AbortSignal; onAway?: (error: AssayError) => void },
): Promise<T> {
  for (let pauseMs = 1_000; ; pauseMs = Math.min(pauseMs * 2, 30_000)) {
    throwIfAborted(options.signal);
    try {
      return await untilAborted(work(), options.signal);
    } catch (error) {
      if (!isAssayError(error, "E_STORE_UNAVAILABLE")) throw error;
      options.onAway?.(error);
      await options.clock.sleep(pauseMs, options.signal);
    }
  }
}

/**
 * What `work` comes to, or E_ABORTED as soon as the signal aborts. Nobody hears of an answer after that: what was read
 * is dropped, and what was put stands, since whatever is put here may be put at any time.
 */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const settled = new AbortController();
    const onAbort = (): void => reject(aborted());
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true, signal: settled.signal });
    work.then(resolve, reject).finally(() => settled.abort());
  });
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw aborted();
}

function aborted(): AssayError {
  return new AssayError("E_ABORTED", "stopped before the work was done");
}
