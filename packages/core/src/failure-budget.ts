import type { ResultRow } from "./result-row.ts";
import { engineSideStatuses, type Status } from "./status.ts";

/** Rows at the start of a batch after which a wrong setting must have shown. */
const firstRows = 50;
/** Rows in the sliding window that watches an engine all night. */
const windowRows = 200;
/** Fewer asked rows than this are too few to condemn a chunk as a whole. */
const smallestChunk = 16;

/**
 * Watches the rows of one batch on one engine: `add` returns the engine-side class that more than half of
 * the first 50 rows, or of the last 200, ended in; null while none does.
 */
export interface FailureBudget {
  add(status: Status): Status | null;
}

export function createFailureBudget(): FailureBudget {
  const window: Status[] = [];
  const counts = new Map<Status, number>();
  let seen = 0;
  return {
    add(status) {
      window.push(status);
      counts.set(status, (counts.get(status) ?? 0) + 1);
      seen += 1;
      if (window.length > windowRows) {
        const gone = window.shift();
        if (gone !== undefined) counts.set(gone, (counts.get(gone) ?? 1) - 1);
      }
      if (seen !== firstRows && window.length < windowRows) return null;
      return engineSideStatuses.find((engineSide) => (counts.get(engineSide) ?? 0) > window.length / 2) ?? null;
    },
  };
}

/**
 * The engine-side class that every row of `now` that was asked ended in, where these are at least 16 and half of what
 * the chunk's `rows` had asked in all; else null. `now` leaves out what earlier attempts saved: of these it is only what
 * failed that is asked again, and a chunk of which a third always fails must not look as a whole.
 */
export function chunkFailedAsAWhole(now: readonly ResultRow[], rows: readonly ResultRow[] = now): Status | null {
  const asked = now.filter(wasAsked);
  const first = asked[0]?.status;
  if (asked.length < smallestChunk || first === undefined) return null;
  if (asked.length < rows.filter(wasAsked).length / 2) return null;
  const failed =
    (engineSideStatuses as readonly Status[]).includes(first) && asked.every(({ status }) => status === first);
  return failed ? first : null;
}

/** Bad records, empty responses and what --specials reject turned away were never sent to an engine. */
function wasAsked({ attempts }: ResultRow): boolean {
  return attempts !== null && attempts > 0;
}
