import type { AssayError } from "@assay/core";

/** Who waits until an engine takes rows of a batch. */
interface Looker {
  readonly batch: string;
  /** Called once. */
  readonly give: () => void;
  readonly refuse: (error: AssayError) => void;
}

export interface OpenLine {
  /** What is returned takes the one who waits out again with an error. */
  stand(looker: Looker): (error: AssayError) => void;
  /** Tells those whose batch an engine takes by now. */
  serve(): void;
  /** Takes out all, or those of one batch. */
  refuse(error: AssayError, batch?: string): void;
}

/** Those who wait while every engine is down or fenced for them; `isOpen` says for whom one is not. */
export function createOpenLine(isOpen: (batch: string) => boolean): OpenLine {
  const line = new Set<Looker>();

  function take(looker: Looker, error: AssayError): void {
    if (line.delete(looker)) looker.refuse(error);
  }

  return {
    stand(looker) {
      line.add(looker);
      return (error) => take(looker, error);
    },
    serve() {
      for (const looker of [...line]) if (isOpen(looker.batch) && line.delete(looker)) looker.give();
    },
    refuse(error, batch) {
      for (const looker of [...line]) if (batch === undefined || looker.batch === batch) take(looker, error);
    },
  };
}
