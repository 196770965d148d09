import { note } from "./say.ts";

export interface Signals {
  /** the first SIGINT, SIGTERM or SIGUSR1: take in nothing new, let what is in flight end */
  readonly drain: AbortSignal;
  /** the second one: stop everything */
  readonly abort: AbortSignal;
  /** Drains as the first signal does, for another reason; nothing where it drains already. */
  drainFor(reason: string): void;
  /** Gives the signals back to the system. */
  close(): void;
}

/** After an abort so much time to give chunks back and to close Redis; then the process ends whatever hangs. */
export const lastWordsMs = 5_000;
const temporaryFailure = 75;
const stopSignals = ["SIGINT", "SIGTERM", "SIGUSR1"] as const;
/** `timeout`, npm and schedulers send a signal to a process and to its group: that is one wish, told twice. */
const oneSignalMs = 500;

/** What the first signal means for work that has rows in flight. */
export function draining(seconds: number): string {
  return `draining: nothing new is begun, rows in flight have ${seconds} s, finished ones are saved; second Ctrl-C aborts`;
}

/**
 * For verbs that work for hours. First signal (SIGINT, SIGTERM, or SIGUSR1, which Slurm sends before a time limit):
 * drain, and `stopping` says what happens. Second: abort. Third, or an abort that hangs: exit 75 at once. A closed
 * terminal (SIGHUP) stops nothing, and neither does a reader that has gone: what was started over ssh goes on;
 * `onHangUp` hears of it.
 */
export function onSignals(stopping: string, onHangUp: () => void = () => {}): Signals {
  const drain = new AbortController();
  const abort = new AbortController();
  let drainedAt = 0;
  const begin = (): void => {
    drainedAt = Date.now();
    isToldToStop = true;
    note(stopping);
    drain.abort();
  };
  const stop = (): void => {
    if (!drain.signal.aborted) {
      begin();
    } else if (Date.now() - drainedAt < oneSignalMs) {
      return;
    } else if (!abort.signal.aborted) {
      note("aborting: what is in flight is given back; what is committed stays");
      abort.abort();
      setTimeout(() => process.exit(temporaryFailure), lastWordsMs).unref();
    } else {
      process.exit(temporaryFailure);
    }
  };
  for (const signal of stopSignals) process.on(signal, stop);
  process.on("SIGHUP", onHangUp);
  outputIsOptional = true;
  return {
    drain: drain.signal,
    abort: abort.signal,
    drainFor(reason) {
      if (drain.signal.aborted) return;
      note(reason);
      begin();
    },
    close() {
      for (const signal of stopSignals) process.off(signal, stop);
      process.off("SIGHUP", onHangUp);
      outputIsOptional = false;
    },
  };
}

let outputIsOptional = false;
let isToldToStop = false;

/** A signal has told this process to stop. */
export function wasToldToStop(): boolean {
  return isToldToStop;
}

/** While long work runs, a lost terminal or pipe costs words, not work. */
export function mayLoseOutput(): boolean {
  return outputIsOptional;
}
