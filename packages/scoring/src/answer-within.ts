import type { Clock } from "./clock.ts";

/** What `work`, which never rejects, comes to within `ms`; "silent" where it has come to nothing yet. The work goes on. */
export async function answerWithin<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T | "silent"> {
  const answered = new AbortController();
  void work.then(() => answered.abort());
  await Promise.race([work, clock.sleep(ms, answered.signal)]);
  return answered.signal.aborted ? work : "silent";
}
