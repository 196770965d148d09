import type { EngineClient } from "./engine-client.ts";
import type { Fate } from "./port.ts";
import { noProxyLimit } from "./proxy-limit.ts";
import { noCap, type RateCap } from "./rate-cap.ts";
import type { LostEngine } from "./wait-until-back.ts";

/** An engine as its pool sees it. */
export interface PoolEngine extends LostEngine {
  inFlight: number;
  limit: number;
  cap: RateCap;
  /** requests so far */
  sent: number;
  down: boolean;
  /** one row has it for itself, or waits for it to be empty */
  alone: boolean;
  /** of its last loss */
  fate: Promise<Fate>;
  /** what is in flight there: ended when the engine is given up */
  readonly running: Set<AbortController>;
}

/** One that works on nothing yet and was never lost. */
export function openPoolEngine(client: EngineClient, limit: number, leastCutMs: number | undefined): PoolEngine {
  return {
    client,
    inFlight: 0,
    limit,
    cap: noCap,
    sent: 0,
    down: false,
    alone: false,
    doubted: false,
    proxy: noProxyLimit(leastCutMs),
    epoch: 0,
    fate: unknownFate,
    running: new Set(),
  };
}

/** Whoever closes the pool does not hear what became of an engine. */
export const unknownFate: Promise<Fate> = new Promise(() => {});

export function hasSlot(engine: PoolEngine): boolean {
  return !engine.down && !engine.alone && engine.inFlight < slotsOf(engine);
}

/** Rows that may be in flight there: what its state allows, and no more than its 429s do. */
export function slotsOf({ limit, cap }: PoolEngine): number {
  return Math.min(limit, Math.floor(cap.rows));
}
