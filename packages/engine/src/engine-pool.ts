import { setTimeout as sleep } from "node:timers/promises";
import { AssayError } from "@assay/core";
import type { EngineClient } from "./engine-client.ts";
import type { EnginePool, EngineSlot } from "./port.ts";

/** Pauses between looks at an engine that was lost: soon at first, since most losses are one cut connection. */
const lookAgainMs = { first: 100, most: 5_000 } as const;

interface Engine {
  readonly client: EngineClient;
  inFlight: number;
  limit: number;
  down: boolean;
  /** what is in flight there: ended when the engine is given up */
  readonly running: Set<AbortController>;
}

interface Waiter {
  readonly batch: string;
  readonly give: (engine: Engine) => void;
  readonly refuse: (error: AssayError) => void;
}

/** A pool, and what whoever watches its engines does to it. */
export interface WatchedPool {
  readonly pool: EnginePool;
  /** Rows that may be in flight at an engine from now on; what is over it ends as it ends. */
  setLimit(origin: string, limit: number): void;
  /** Gives an engine up that answers no more: its rows in flight are lost to it at once. */
  lose(origin: string, why: string): void;
}

/**
 * A pool over engines that are all served alike: at most `inFlight` rows at each, the engine with the fewest taken
 * first. An engine that was lost is looked at until `isBack` says yes; its rows go elsewhere meanwhile.
 */
export function createEnginePool(options: {
  clients: readonly EngineClient[];
  inFlight: number;
  isBack: (client: EngineClient) => Promise<boolean>;
  onWarning: (text: string) => void;
}): WatchedPool {
  const engines = options.clients.map(
    (client): Engine => ({
      client,
      inFlight: 0,
      limit: options.inFlight,
      down: false,
      running: new Set(),
    }),
  );
  // in the order of asking
  const waiters = new Set<Waiter>();
  const drained = new Set<{ rows: number; tell: () => void }>();
  const fences = new Map<string, Map<string, string>>();
  const closing = new AbortController();

  function freest(batch: string): Engine | null {
    const fenced = fences.get(batch);
    let best: Engine | null = null;
    for (const engine of engines) {
      if (engine.down || engine.inFlight >= engine.limit || fenced?.has(engine.client.origin) === true) continue;
      if (best === null || engine.inFlight < best.inFlight) best = engine;
    }
    return best;
  }

  function allFenced(batch: string): AssayError | null {
    const fenced = fences.get(batch);
    if (fenced === undefined || fenced.size < engines.length) return null;
    const [origin, reason] = [...fenced].at(-1) ?? ["", ""];
    return new AssayError("E_ENGINES_FENCED", reason, { where: origin });
  }

  /** Serves who waits, in order, until no slot is left. A waiter whose engines are full does not hold up the others. */
  function serve(): void {
    for (const waiter of waiters) {
      if (engines.every((engine) => engine.down || engine.inFlight >= engine.limit)) break;
      const engine = freest(waiter.batch);
      if (engine !== null) waiter.give(engine);
    }
    for (const one of drained) if (waiters.size < one.rows) one.tell();
  }

  function slotOn(engine: Engine): EngineSlot {
    let held = true;
    engine.inFlight += 1;
    return {
      origin: engine.client.origin,
      async complete(request, { signal, deadlineMs }) {
        const own = new AbortController();
        const stop = (): void => own.abort();
        signal.addEventListener("abort", stop, { once: true });
        if (signal.aborted) stop();
        engine.running.add(own);
        try {
          const outcome = await engine.client.complete(request, { signal: own.signal, deadlineMs });
          if (outcome.ok) return outcome;
          if (outcome.failure.kind === "lost") lost(engine, outcome.failure.message);
          const givenUp = outcome.failure.kind === "aborted" && !signal.aborted;
          return givenUp ? { ok: false, failure: { ...outcome.failure, kind: "lost", message: "given up" } } : outcome;
        } finally {
          engine.running.delete(own);
          signal.removeEventListener("abort", stop);
        }
      },
      release() {
        if (!held) return;
        held = false;
        engine.inFlight -= 1;
        serve();
      },
    };
  }

  function lost(engine: Engine, why: string): void {
    if (engine.down || closing.signal.aborted) return;
    engine.down = true;
    void waitUntilBack(engine, why);
  }

  async function waitUntilBack(engine: Engine, why: string): Promise<void> {
    let said = false;
    for (let pauseMs: number = lookAgainMs.first; ; pauseMs = Math.min(pauseMs * 2, lookAgainMs.most)) {
      try {
        await sleep(pauseMs, undefined, { signal: closing.signal });
      } catch {
        return;
      }
      if (await options.isBack(engine.client)) break;
      if (!said) options.onWarning(`engine ${engine.client.origin} is away (${why}); its rows wait or go elsewhere`);
      said = true;
    }
    if (said) options.onWarning(`engine ${engine.client.origin} is back`);
    engine.down = false;
    serve();
  }

  const pool: EnginePool = {
    origins: engines.map(({ client }) => client.origin),

    acquire(batch, signal) {
      if (signal.aborted) return Promise.reject(stopped());
      const refusal = allFenced(batch);
      if (refusal !== null) return Promise.reject(refusal);
      const engine = freest(batch);
      // who waits already was there first
      if (engine !== null && waiters.size === 0) return Promise.resolve(slotOn(engine));
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          waiters.delete(waiter);
          signal.removeEventListener("abort", onAbort);
        };
        const waiter: Waiter = {
          batch,
          give: (given) => {
            leave();
            resolve(slotOn(given));
          },
          refuse: (error) => {
            leave();
            reject(error);
          },
        };
        const onAbort = (): void => {
          waiter.refuse(stopped());
          serve();
        };
        signal.addEventListener("abort", onAbort, { once: true });
        waiters.add(waiter);
        serve();
      });
    },

    get waiting() {
      return waiters.size;
    },

    get capacity() {
      return engines.reduce((sum, { down, limit }) => sum + (down ? 0 : limit), 0);
    },

    whenWaitingBelow(rows, signal) {
      if (waiters.size < rows || signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const one = {
          rows,
          tell: () => {
            drained.delete(one);
            signal.removeEventListener("abort", one.tell);
            resolve();
          },
        };
        signal.addEventListener("abort", one.tell, { once: true });
        drained.add(one);
      });
    },

    fence(batch, origin, reason) {
      const fenced = fences.get(batch) ?? new Map<string, string>();
      fences.set(batch, fenced);
      if (fenced.has(origin)) return;
      fenced.set(origin, reason);
      const refusal = allFenced(batch);
      if (refusal === null) return;
      for (const waiter of waiters) if (waiter.batch === batch) waiter.refuse(refusal);
      serve();
    },

    lift(batch) {
      if (fences.delete(batch)) serve();
    },

    async close() {
      closing.abort();
      for (const waiter of waiters) waiter.refuse(stopped());
    },
  };

  const named = (origin: string): Engine | undefined => engines.find(({ client }) => client.origin === origin);
  return {
    pool,
    setLimit(origin, limit) {
      const engine = named(origin);
      if (engine === undefined || engine.limit === limit) return;
      engine.limit = limit;
      serve();
    },
    lose(origin, why) {
      const engine = named(origin);
      if (engine === undefined || engine.down) return;
      lost(engine, why);
      for (const running of engine.running) running.abort();
    },
  };
}

function stopped(): AssayError {
  return new AssayError("E_ABORTED", "stopped before the row had a slot");
}
