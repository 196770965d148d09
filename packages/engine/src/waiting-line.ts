import type { AssayError, PromptPrefix } from "@assay/core";
import type { ChoosePlace, Place } from "./choose-place.ts";
import type { PoolEngine } from "./pool-engine.ts";
import { shares } from "./prefix-homes.ts";

/** Rows from the head of the line among which a freed slot looks for one that is at home there. */
const lookedThrough = 512;
/** A row may be overtaken by this many times the slots of the pool, then it is served first: a few answers' time. */
const patience = 4;

/** A row that waits for a slot. */
export interface WaitingRow {
  readonly batch: string;
  readonly prefix: PromptPrefix | undefined;
  /** Called once, with an engine that has a slot, which is to be taken at once. */
  readonly give: (engine: PoolEngine) => void;
  readonly refuse: (error: AssayError) => void;
}

export interface WaitingLine {
  readonly rows: number;
  /** Puts a row at the end; what is returned takes it out again with an error. */
  stand(row: WaitingRow): (error: AssayError) => void;
  /** Serves who waits until no slot is left for any of them. */
  serve(): void;
  /** Takes out all rows, or those of one batch. */
  refuse(error: AssayError, batch?: string): void;
}

interface Waiter {
  readonly row: WaitingRow;
  /** rows that came later and were served earlier */
  overtaken: number;
}

/**
 * The line of rows that wait for a slot. `choosing` says where rows would go now, until one of them goes; `slots` are
 * those of the engines that are not down, `anyFree` whether one of them is free.
 */
export function createWaitingLine(
  choosing: () => ChoosePlace,
  slots: () => number,
  anyFree: () => boolean,
): WaitingLine {
  // in the order of asking
  const waiters = new Set<Waiter>();

  /**
   * Who is served next, and where: of those whose prefix saves most there, or loses least, the first in line. A waiter
   * whose engines are full does not hold up the others. Who has been overtaken often enough stands in front of all.
   */
  function next(): (Place & { waiter: Waiter }) | null {
    if (!anyFree()) return null;
    const placeFor = choosing();
    const often = patience * slots();
    let best: (Place & { waiter: Waiter }) | null = null;
    let looked = 0;
    for (const waiter of waiters) {
      if (looked >= lookedThrough && best !== null) break;
      looked += 1;
      const place = placeFor(waiter.row.batch, waiter.row.prefix);
      if (place === null) continue;
      if (place.saves === shares.response || waiter.overtaken >= often) return { ...place, waiter };
      if (best === null || place.saves > best.saves) best = { ...place, waiter };
    }
    return best;
  }

  function take(waiter: Waiter, error: AssayError): void {
    if (waiters.delete(waiter)) waiter.row.refuse(error);
  }

  return {
    get rows() {
      return waiters.size;
    },

    stand(row) {
      const waiter = { row, overtaken: 0 };
      waiters.add(waiter);
      return (error) => take(waiter, error);
    },

    serve() {
      for (let served = next(); served !== null; served = next()) {
        for (const waiter of waiters) {
          if (waiter === served.waiter) break;
          waiter.overtaken += 1;
        }
        waiters.delete(served.waiter);
        served.waiter.row.give(served.engine);
      }
    },

    refuse(error, batch) {
      for (const waiter of [...waiters]) if (batch === undefined || waiter.row.batch === batch) take(waiter, error);
    },
  };
}
