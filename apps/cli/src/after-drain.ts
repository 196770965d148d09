import { AssayError } from "@assay/core";
import { systemClock } from "./system-clock.ts";

/** More than the listings of a large batch take; who stopped the process may kill it a little later. */
const patienceMs = 10_000;

/**
 * What the store says once the work has ended. After a drain it is not waited for long, since it may say nothing for
 * minutes: rejects with E_NOT_FINISHED then.
 */
export async function afterDrain<T>(drain: AbortSignal, where: string, answer: Promise<T>): Promise<T> {
  if (!drain.aborted) return answer;
  const answered = new AbortController();
  const silence = systemClock.sleep(patienceMs, answered.signal).then((): never => {
    throw new AssayError("E_NOT_FINISHED", "drained, and the store does not say how much work is left", {
      where,
      got: `no answer within ${patienceMs / 1_000} s`,
      next: "the same command again carries on",
    });
  });
  try {
    return await Promise.race([answer, silence]);
  } finally {
    answered.abort();
  }
}
