import type { PromptPrefix } from "@assay/core";
import { hasSlot, type PoolEngine, slotsOf } from "./pool-engine.ts";
import { type PrefixHomes, shares } from "./prefix-homes.ts";

/** A row's prefix draws it to its home while that has at most this many times its fair share of the rows in flight. */
const mostShare = 1.25;

/** An engine for a row, and what going there saves; below nothing: what it would have saved at a home that is full. */
export interface Place {
  readonly engine: PoolEngine;
  readonly saves: number;
}

/** The engines of a pool, and what is known of them. */
export interface Fleet {
  readonly engines: readonly PoolEngine[];
  readonly homes: PrefixHomes<PoolEngine>;
  readonly isOpen: (engine: PoolEngine, batch: string) => boolean;
}

/** Where a row goes now; null while every engine that it may go to is full. */
export type ChoosePlace = (batch: string, prefix: PromptPrefix | undefined) => Place | null;

/**
 * Chooses for as many rows as stand in line, as long as nothing in the fleet changes: what is the same for all rows of a
 * batch is looked for once. A full home is no reason to wait.
 */
export function choosePlaces(fleet: Fleet): ChoosePlace {
  const batches = new Map<string, ReturnType<typeof ofBatch>>();

  function ofBatch(batch: string) {
    const engine = freest(fleet, batch);
    const fit = new Map<PoolEngine, boolean>();
    const isFit = (one: PoolEngine): boolean => {
      const known = fit.get(one) ?? (fleet.isOpen(one, batch) && isWithinShare(fleet, one, batch));
      fit.set(one, known);
      return known;
    };
    return { engine, isFit };
  }

  return (batch, prefix) => {
    const known = batches.get(batch) ?? ofBatch(batch);
    batches.set(batch, known);
    const { engine, isFit } = known;
    if (engine === null) return null;
    const home = prefix === undefined ? null : fleet.homes.find(prefix, isFit);
    if (home !== null && hasSlot(home.engine)) return { engine: home.engine, saves: home.shared };
    return { engine, saves: -(home?.shared ?? shares.nothing) };
  };
}

/** Whether one more row is within the share. Fair is what the engine's limit is of all limits, rounded up. */
function isWithinShare({ engines, isOpen }: Fleet, engine: PoolEngine, batch: string): boolean {
  let rows = 1;
  let slots = 0;
  for (const one of engines) {
    if (!isOpen(one, batch)) continue;
    rows += one.inFlight;
    slots += slotsOf(one);
  }
  return engine.inFlight < Math.ceil((mostShare * rows * slotsOf(engine)) / slots);
}

function freest({ engines, isOpen }: Fleet, batch: string): PoolEngine | null {
  let best: PoolEngine | null = null;
  for (const engine of engines) {
    if (!hasSlot(engine) || !isOpen(engine, batch)) continue;
    if (best === null || engine.inFlight < best.inFlight) best = engine;
  }
  return best;
}
