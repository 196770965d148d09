import { setMaxListeners } from "node:events";
import { setTimeout } from "node:timers/promises";
import { AssayError, type PromptPrefix } from "@assay/core";
import { createAloneLine } from "./alone-line.ts";
import { choosePlaces } from "./choose-place.ts";
import type { EngineClient } from "./engine-client.ts";
import { takeSlot } from "./engine-slot.ts";
import { createFences } from "./fences.ts";
import { loseEngine } from "./lose-engine.ts";
import { createOpenLine } from "./open-line.ts";
import { hasSlot, openPoolEngine, type PoolEngine, slotsOf } from "./pool-engine.ts";
import type { EnginePool, EngineSlot, Fate } from "./port.ts";
import { createPrefixHomes } from "./prefix-homes.ts";
import type { TakeBack } from "./take-back.ts";
import { createWaitingLine } from "./waiting-line.ts";

/** A pool, and what whoever watches its engines does to it. */
export interface WatchedPool {
  readonly pool: EnginePool;
  /** Rows that may be in flight at an engine from now on; what is over it ends as it ends. */
  setLimit(origin: string, limit: number): void;
  /** Rows in flight at an engine. */
  taken(origin: string): number;
  /** Sends no row there until it was looked at; what is in flight goes on. */
  suspect(origin: string, why: string): void;
  /** The same, and it has to prove itself before it is taken back: nobody knows what it is. */
  doubt(origin: string, why: string): void;
  /**
   * Gives an engine up that answers no more, or is another one by now: its rows in flight are lost to it at once, and
   * it has to prove itself before it is taken back. False when it was down already.
   */
  lose(origin: string, why: string): boolean;
}

/**
 * A pool over engines that are all served alike: at most `inFlight` rows at each, the engine with the fewest taken
 * first, except that rows whose prompts begin alike are kept together (bounded loads: Mirrokni, Thorup, Zadimoghaddam
 * 2018). An engine that was lost is looked at until it is the same one again or has proved itself; its rows go elsewhere
 * meanwhile.
 */
export function createEnginePool(options: {
  clients: readonly EngineClient[];
  inFlight: number;
  look: TakeBack["look"];
  /** absent = no engine tells its process */
  lifeOf?: TakeBack["lifeOf"];
  /** answers that are lost sooner are not taken for a proxy's work; 30 s */
  leastCutMs?: number | undefined;
  onWarning: (text: string) => void;
  /** resolves after `ms`, rejects when the signal aborts; absent = the machine's own time */
  sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}): WatchedPool {
  const { sleep = (ms, signal) => setTimeout(ms, undefined, { signal }) } = options;
  const engines = options.clients.map((client) => openPoolEngine(client, options.inFlight, options.leastCutMs));
  const fences = createFences(engines.length);
  const homes = createPrefixHomes<PoolEngine>();
  const fleet = { engines, homes, isOpen };
  const line = createWaitingLine(
    () => choosePlaces(fleet),
    capacity,
    () => engines.some(hasSlot),
  );
  const aloneLine = createAloneLine(engines, isOpen);
  const openLine = createOpenLine(isOpenSomewhere);
  const closing = new AbortController();
  // every engine that is down listens to it
  setMaxListeners(0, closing.signal);

  function isOpen(engine: PoolEngine, batch: string): boolean {
    return !engine.down && !fences.isFenced(batch, engine.client.origin);
  }

  function isOpenSomewhere(batch: string): boolean {
    return engines.some((engine) => isOpen(engine, batch));
  }

  function capacity(): number {
    return engines.reduce((sum, engine) => sum + (engine.down ? 0 : slotsOf(engine)), 0);
  }

  function capacityFor(batch: string): number {
    return engines.reduce((sum, engine) => sum + (isOpen(engine, batch) ? slotsOf(engine) : 0), 0);
  }

  function named(origin: string): PoolEngine | undefined {
    return engines.find(({ client }) => client.origin === origin);
  }

  function serve(): void {
    aloneLine.serve();
    line.serve();
    openLine.serve();
  }

  /** What whoever stands in a line gets there, as `taken` makes it. */
  function waitFor<Given, Taken>(
    stand: (ends: Ends<Given>) => Leave,
    signal: AbortSignal,
    taken: (given: Given) => Taken,
  ): Promise<Taken> {
    return new Promise((resolve, reject) => {
      const leave = stand({
        give: (given) => {
          signal.removeEventListener("abort", onAbort);
          resolve(taken(given));
        },
        refuse: (error) => {
          signal.removeEventListener("abort", onAbort);
          reject(error);
        },
      });
      const onAbort = (): void => {
        leave(stopped());
        serve();
      };
      signal.addEventListener("abort", onAbort, { once: true });
      serve();
    });
  }

  function sharedSlot(engine: PoolEngine, prefix: PromptPrefix | undefined): EngineSlot {
    if (prefix !== undefined) homes.note(prefix, engine);
    return takeSlot(engine, prefix?.conversation, { lose: (why) => lost(engine, why), onRelease: serve });
  }

  function loneSlot(engine: PoolEngine): EngineSlot {
    const onRelease = (): void => {
      engine.alone = false;
      serve();
    };
    return takeSlot(engine, undefined, { lose: (why) => lost(engine, why), onRelease });
  }

  function lost(engine: PoolEngine, why: string): void {
    const { look, onWarning } = options;
    // a row that waited for this one to be empty may find another
    const onDown = aloneLine.serve;
    const onBack = (fate: Fate): void => {
      // another process: what was wrong with the one before says nothing about it
      if (fate === "died") fences.liftEngine(engine.client.origin);
      serve();
    };
    loseEngine(engine, why, { look, onWarning, sleep, signal: closing.signal, onDown, onBack });
  }

  const pool: EnginePool = {
    origins: engines.map(({ client }) => client.origin),

    acquire(batch, signal, prefix) {
      const refusal = signal.aborted ? stopped() : fences.refusal(batch);
      if (refusal !== null) return Promise.reject(refusal);
      // who waits already was there first
      const place = line.rows === 0 ? choosePlaces(fleet)(batch, prefix) : null;
      if (place !== null) return Promise.resolve(sharedSlot(place.engine, prefix));
      return waitFor(
        (ends: Ends<PoolEngine>) => line.stand({ batch, prefix, ...ends }),
        signal,
        (engine) => sharedSlot(engine, prefix),
      );
    },

    acquireAlone(batch, signal) {
      const refusal = signal.aborted ? stopped() : fences.refusal(batch);
      if (refusal !== null) return Promise.reject(refusal);
      return waitFor((ends: Ends<PoolEngine>) => aloneLine.stand({ batch, ...ends }), signal, loneSlot);
    },

    whenOpen(batch, signal) {
      const refusal = signal.aborted ? stopped() : fences.refusal(batch);
      if (refusal !== null) return Promise.reject(refusal);
      if (isOpenSomewhere(batch)) return Promise.resolve();
      return waitFor(
        (ends) => openLine.stand({ batch, ...ends, give: () => ends.give(undefined) }),
        signal,
        () => {},
      );
    },

    async life(origin) {
      const engine = named(origin);
      return engine === undefined ? null : ((await options.lifeOf?.(engine.client)) ?? null);
    },

    get waiting() {
      return line.rows;
    },

    get capacity() {
      return capacity();
    },

    capacityFor,

    fence(batch, origin, reason) {
      if (!fences.fence(batch, origin, reason)) return;
      const refusal = fences.refusal(batch);
      if (refusal === null) return;
      for (const each of [line, aloneLine, openLine]) each.refuse(refusal, batch);
      serve();
    },

    isFenced: (batch, origin) => fences.isFenced(batch, origin),

    lift(batch) {
      if (fences.lift(batch)) serve();
    },

    async close() {
      closing.abort();
      for (const each of [line, aloneLine, openLine]) each.refuse(stopped());
    },
  };

  return {
    pool,
    setLimit(origin, limit) {
      const engine = named(origin);
      if (engine === undefined || engine.limit === limit) return;
      engine.limit = limit;
      serve();
    },
    taken: (origin) => named(origin)?.inFlight ?? 0,
    suspect(origin, why) {
      const engine = named(origin);
      if (engine !== undefined) lost(engine, why);
    },
    doubt(origin, why) {
      const engine = named(origin);
      if (engine === undefined) return;
      engine.doubted = true;
      lost(engine, why);
    },
    lose(origin, why) {
      const engine = named(origin);
      if (engine === undefined) return false;
      const isNew = !engine.down;
      engine.doubted = true;
      engine.epoch += 1;
      lost(engine, why);
      // also of an engine that is down already: what hangs there would wait for its deadline
      for (const running of engine.running) running.abort();
      return isNew;
    },
  };
}

/** How the standing in a line ends. */
interface Ends<Given> {
  readonly give: (given: Given) => void;
  readonly refuse: (error: AssayError) => void;
}

/** Takes whoever stands in a line out of it. */
type Leave = (error: AssayError) => void;

function stopped(): AssayError {
  return new AssayError("E_ABORTED", "stopped before the row had a slot");
}
