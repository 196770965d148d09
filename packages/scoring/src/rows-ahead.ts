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
  fetch(batch: string, rows: number): () => void;
  /** Counts a row that stands in line for a slot, in the same way. */
  wait(batch: string): () => void;
  /** Rows of one batch that are counted. */
  of(batch: string): number;
  /**
   * Resolves when fewer than `enough()` are counted, asked again whenever they become fewer, or when the signal aborts.
   * Rows of one batch count as `enough(batch)` at most: those that wait for the few engines that are open to it are
   * nothing that the others can be given.
   */
  whenBelow(enough: (batch?: string) => number, signal: AbortSignal): Promise<void>;
}

export function openRowsAhead(clock: Clock): RowsAhead {
  const rows = new Map<string, number>();
  /** chunks that hang, the oldest first */
  const late = new Set<{ readonly batch: string; readonly rows: number }>();
  const lookers = new Set<() => void>();

  function becameFewer(): void {
    for (const look of lookers) look();
  }

  function add(batch: string, more: number): void {
    const now = (rows.get(batch) ?? 0) + more;
    if (now === 0) rows.delete(batch);
    else rows.set(batch, now);
  }

  function of(batch: string): number {
    const [oldest] = late;
    return (rows.get(batch) ?? 0) - (oldest?.batch === batch ? oldest.rows : 0);
  }

  function count(batch: string, more: number): () => void {
    add(batch, more);
    let counts = true;
    return () => {
      if (counts) add(batch, -more);
      counts = false;
      becameFewer();
    };
  }

  return {
    fetch(batch, more) {
      const chunk = { batch, rows: more };
      const here = new AbortController();
      const leave = count(batch, more);
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

    wait: (batch) => count(batch, 1),
    of,

    whenBelow(enough, signal) {
      const ahead = (): number => [...rows.keys()].reduce((sum, batch) => sum + Math.min(of(batch), enough(batch)), 0);
      return waitWhile(() => ahead() >= enough(), lookers, signal);
    },
  };
}
