import type { AssayError } from "@assay/core";

/** What of an engine decides who may be alone there. */
interface Sharable {
  readonly inFlight: number;
  /** one row has it for itself, or waits for it to be empty */
  alone: boolean;
}

/** A row that is to be alone on an engine. */
export interface Loner<Engine> {
  readonly batch: string;
  /** Called once, with an engine that is empty and kept free of others until `alone` is taken from it. */
  readonly give: (engine: Engine) => void;
  readonly refuse: (error: AssayError) => void;
}

export interface AloneLine<Engine> {
  /** Puts a row in line; what is returned takes it out again with an error. */
  stand(loner: Loner<Engine>): (error: AssayError) => void;
  /** Keeps an engine free for each row in line, and gives it when it is empty. */
  serve(): void;
  /** Takes out all rows, or those of one batch. */
  refuse(error: AssayError, batch?: string): void;
}

/**
 * The line of rows that have to be alone. An engine is kept free for each, the one with the fewest rows in flight, and
 * given once those have ended; one that is lost or fenced meanwhile is exchanged.
 */
export function createAloneLine<Engine extends Sharable>(
  engines: readonly Engine[],
  isOpen: (engine: Engine, batch: string) => boolean,
): AloneLine<Engine> {
  const line = new Map<Loner<Engine>, Engine | null>();

  function take(loner: Loner<Engine>, error: AssayError): void {
    const engine = line.get(loner);
    if (engine === undefined) return;
    line.delete(loner);
    if (engine !== null) engine.alone = false;
    loner.refuse(error);
  }

  function choose(batch: string): Engine | null {
    const free = engines.filter((engine) => !engine.alone && isOpen(engine, batch));
    const fewest = Math.min(...free.map(({ inFlight }) => inFlight));
    return free.find(({ inFlight }) => inFlight === fewest) ?? null;
  }

  return {
    stand(loner) {
      line.set(loner, null);
      return (error) => take(loner, error);
    },

    serve() {
      for (const [loner, kept] of [...line]) {
        let engine = kept;
        if (engine !== null && !isOpen(engine, loner.batch)) {
          engine.alone = false;
          engine = null;
        }
        if (engine === null) {
          engine = choose(loner.batch);
          if (engine !== null) engine.alone = true;
        }
        line.set(loner, engine);
        if (engine?.inFlight !== 0) continue;
        line.delete(loner);
        loner.give(engine);
      }
    },

    refuse(error, batch) {
      for (const loner of [...line.keys()]) if (batch === undefined || loner.batch === batch) take(loner, error);
    },
  };
}
