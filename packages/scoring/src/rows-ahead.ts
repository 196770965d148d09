import type { Clock } from "./clock.ts";
import { waitWhile } from "./wait-while.ts";

/** A chunk whose calls to the store take longer hangs: more than any distance does to them. */
const lateMs = 2_000;

/** Rows that a worker has in hand and that have no slot yet: what the slots that fall free next can be given. */
export interface RowsAhead {
  /**
   * Counts the rows of a chunk that is on its way from the store, until what is returned is called; further calls of it
   * do nothing. Of chunks that hang one at a time does not count, so that it holds up nobody else, and a store that is
   * away leaves one chunk too many in hand and no more.
   */
  fetch(rows: number): () => void;
  /** Counts a row that stands in line for a slot, in the same way. */
  wait(): () => void;
  /** Resolves when fewer than `enough()` are counted, asked again whenever they become fewer, or when the signal aborts. */
  whenBelow(enough: () => number, signal: AbortSignal): Promise<void>;
}

export function openRowsAhead(clock: Clock): RowsAhead {
  let rows = 0;
  /** chunks that hang, the oldest first */
  const late = new Set<{ readonly rows: number }>();
  const lookers = new Set<() => void>();

  function becameFewer(): void {
    for (const look of lookers) look();
  }

  function count(more: number): () => void {
    rows += more;
    let counts = true;
    return () => {
      if (counts) rows -= more;
      counts = false;
      becameFewer();
    };
  }

  return {
    fetch(more) {
      const chunk = { rows: more };
      const here = new AbortController();
      const leave = count(more);
      void clock.sleep(lateMs, here.signal).then(() => {
        if (here.signal.aborted) return;
        late.add(chunk);
        becameFewer();
      });
      return () => {
        here.abort();
        late.delete(chunk);
        leave();
      };
    },

    wait: () => count(1),

    whenBelow(enough, signal) {
      const ahead = (): number => rows - ([...late][0]?.rows ?? 0);
      return waitWhile(() => ahead() >= enough(), lookers, signal);
    },
  };
}
