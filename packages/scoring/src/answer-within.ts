import type { Clock } from "./clock.ts";

/**
 * What `work`, which never rejects, comes to within `ms`, and before the signal aborts; "silent" where it has come to
 * nothing yet. The work goes on.
 */
export async function answerWithin<T>(
  clock: Clock,
  ms: number,
  work: Promise<T>,
  signal?: AbortSignal,
): Promise<T | "silent"> {
  const answered = new AbortController();
  void work.then(() => answered.abort());
  const enough = signal === undefined ? answered.signal : AbortSignal.any([answered.signal, signal]);
  await Promise.race([work, clock.sleep(ms, enough)]);
  return answered.signal.aborted ? work : "silent";
}
