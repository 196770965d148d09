/** "over" when a signal aborts or `performance.now()` passes `end` first; the work itself goes on. */
export function untilOver<T>(work: Promise<T>, signals: readonly AbortSignal[], end: number): Promise<T | "over"> {
  return new Promise((resolve, reject) => {
    const over = (): void => {
      letGo();
      resolve("over");
    };
    const timer = setTimeout(over, end - performance.now());
    // also of work that never ends: takes without an answer would pile them up
    const letGo = (): void => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener("abort", over);
    };
    for (const signal of signals) signal.addEventListener("abort", over, { once: true });
    if (signals.some((signal) => signal.aborted)) over();
    work.then(resolve, reject).finally(letGo);
  });
}
