import { setMaxListeners } from "node:events";
import type { PromptPrefix } from "@assay/core";
import type { EnginePool, EngineSlot } from "../src/port.ts";

export interface Served {
  /** number of the row in the order of asking, from 0 */
  readonly row: number;
  readonly origin: string;
  /** whether a row with the same response, or with the same conversation where it has none, was there before */
  readonly shared: boolean;
  /** rows that asked later and were served earlier */
  readonly overtakenBy: number;
}

/**
 * Plays a worker on a pool, in time that nobody waits for: rows stand in line in chunks, the next chunk when half of the
 * slots' number waits, and each row holds its slot as long as `lasts` says. Returns the rows in the order of serving.
 */
export async function playRows(
  pool: EnginePool,
  rows: readonly PromptPrefix[],
  lasts: (row: number, origin: string) => number,
): Promise<{ served: Served[]; endedAt: number }> {
  const { signal } = new AbortController();
  setMaxListeners(0, signal);
  const running: { slot: EngineSlot; endsAt: number }[] = [];
  const served: Served[] = [];
  const seen = new Map<string, Set<string>>();
  let asked = 0;
  let nowMs = 0;

  function serve(row: number, slot: EngineSlot): void {
    const prefix = rows[row];
    const beginning = prefix?.response ?? prefix?.conversation ?? "";
    const at = seen.get(beginning) ?? new Set<string>();
    seen.set(beginning, at);
    const overtakenBy = served.filter((other) => other.row > row).length;
    served.push({ row, origin: slot.origin, shared: at.has(slot.origin), overtakenBy });
    at.add(slot.origin);
    running.push({ slot, endsAt: nowMs + lasts(row, slot.origin) });
  }

  while (served.length < rows.length || running.length > 0) {
    while (asked < rows.length && pool.waiting < pool.capacity / 2) {
      for (const end = Math.min(rows.length, asked + 64); asked < end; asked += 1) {
        const row = asked;
        void pool.acquire("x", signal, rows[row]).then((slot) => serve(row, slot));
      }
      await new Promise(setImmediate);
    }
    running.sort((a, b) => b.endsAt - a.endsAt);
    const next = running.pop();
    if (next !== undefined) {
      nowMs = next.endsAt;
      next.slot.release();
    }
    await new Promise(setImmediate);
  }
  return { served, endedAt: nowMs };
}

/** How long each row lasts: lognormal with the mean 1 and the spread of real reasoning; the same for the same seed. */
export function longTails(rows: number, seed: number): number[] {
  let state = seed;
  const uniform = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return Array.from({ length: rows }, () => Math.exp(0.8 * normal() - 0.32));
}

/** Rows of `responses` responses to each of `conversations` conversations under `principles` principles. */
export function siblings(conversations: number, responses: number, principles: number): PromptPrefix[] {
  return Array.from({ length: conversations * responses * principles }, (_, row) => {
    const conversation = Math.floor(row / (responses * principles));
    const response = Math.floor(row / principles);
    return { conversation: `c${conversation}`, response: principles > 1 ? `r${response}` : null };
  });
}
