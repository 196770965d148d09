import { setMaxListeners } from "node:events";
import { setTimeout } from "node:timers/promises";
import { AssayError, type EngineOutcome, type PromptPrefix } from "@assay/core";
import { createAloneLine } from "./alone-line.ts";
import type { EngineClient } from "./engine-client.ts";
import type { EnginePool, EngineSlot, Fate } from "./port.ts";
import { createPrefixHomes, shares } from "./prefix-homes.ts";
import { inSeconds, isAtHardLimit, limitAfterAnswer, limitAfterLoss, noProxyLimit } from "./proxy-limit.ts";
import { capAfterAnswer, capAfterRefusal, noCap, type RateCap } from "./rate-cap.ts";
import type { TakeBack } from "./take-back.ts";
import { type LostEngine, waitUntilBack } from "./wait-until-back.ts";

/** A row's prefix draws it to its home while that has at most this many times its fair share of the rows in flight. */
const mostShare = 1.25;
/** Rows from the head of the line among which a freed slot looks for one that is at home there. */
const lookedThrough = 512;
/** A row may be overtaken by this many times the slots of the pool, then it is served first: a few answers' time. */
const patience = 4;

interface Engine extends LostEngine {
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

interface Waiter {
  readonly batch: string;
  readonly prefix: PromptPrefix | undefined;
  /** rows that came later and were served earlier */
  overtaken: number;
  readonly give: (engine: Engine) => void;
  readonly refuse: (error: AssayError) => void;
}

/** An engine for a row, and what going there saves; below nothing: what it would have saved at a home that is full. */
interface Place {
  readonly engine: Engine;
  readonly saves: number;
}

/** A pool, and what whoever watches its engines does to it. */
export interface WatchedPool {
  readonly pool: EnginePool;
  /** Rows that may be in flight at an engine from now on; what is over it ends as it ends. */
  setLimit(origin: string, limit: number): void;
  /** Rows in flight at an engine. */
  taken(origin: string): number;
  /** Sends no row there until it was looked at; what is in flight goes on. */
  suspect(origin: string, why: string): void;
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
  const engines = options.clients.map(
    (client): Engine => ({
      client,
      inFlight: 0,
      limit: options.inFlight,
      cap: noCap,
      sent: 0,
      down: false,
      alone: false,
      doubted: false,
      proxy: noProxyLimit(options.leastCutMs),
      epoch: 0,
      fate: unknown,
      running: new Set(),
    }),
  );
  // in the order of asking
  const waiters = new Set<Waiter>();
  const aloneLine = createAloneLine(engines, isOpen);
  const drained = new Set<{ rows: number; tell: () => void }>();
  const fences = new Map<string, Map<string, string>>();
  const homes = createPrefixHomes<Engine>();
  const closing = new AbortController();
  // every engine that is down listens to it
  setMaxListeners(0, closing.signal);

  function hasSlot(engine: Engine): boolean {
    return !engine.down && !engine.alone && engine.inFlight < slotsOf(engine);
  }

  function named(origin: string): Engine | undefined {
    return engines.find(({ client }) => client.origin === origin);
  }

  function isOpen(engine: Engine, batch: string): boolean {
    return !engine.down && fences.get(batch)?.has(engine.client.origin) !== true;
  }

  function freest(batch: string): Engine | null {
    let best: Engine | null = null;
    for (const engine of engines) {
      if (!hasSlot(engine) || !isOpen(engine, batch)) continue;
      if (best === null || engine.inFlight < best.inFlight) best = engine;
    }
    return best;
  }

  /** Whether one more row is within the share. Fair is what the engine's limit is of all limits, rounded up. */
  function isWithinShare(engine: Engine, batch: string): boolean {
    let rows = 1;
    let slots = 0;
    for (const one of engines) {
      if (!isOpen(one, batch)) continue;
      rows += one.inFlight;
      slots += slotsOf(one);
    }
    return engine.inFlight < Math.ceil((mostShare * rows * slotsOf(engine)) / slots);
  }

  /** Where a row goes now; null while every engine that it may go to is full. A full home is no reason to wait. */
  function placeFor(batch: string, prefix: PromptPrefix | undefined): Place | null {
    const home =
      prefix === undefined
        ? null
        : homes.find(prefix, (engine) => isOpen(engine, batch) && isWithinShare(engine, batch));
    if (home !== null && hasSlot(home.engine)) return { engine: home.engine, saves: home.shared };
    const engine = freest(batch);
    return engine === null ? null : { engine, saves: -(home?.shared ?? shares.nothing) };
  }

  function allFenced(batch: string): AssayError | null {
    const fenced = fences.get(batch);
    if (fenced === undefined || fenced.size < engines.length) return null;
    const [origin, reason] = [...fenced].at(-1) ?? ["", ""];
    return new AssayError("E_ENGINES_FENCED", reason, { where: origin });
  }

  /**
   * Who is served next, and where: of those whose prefix saves most there, or loses least, the first in line. A waiter
   * whose engines are full does not hold up the others. Who has been overtaken often enough stands in front of all.
   */
  function nextInLine(): (Place & { waiter: Waiter }) | null {
    if (!engines.some(hasSlot)) return null;
    const often = patience * pool.capacity;
    let best: (Place & { waiter: Waiter }) | null = null;
    let looked = 0;
    for (const waiter of waiters) {
      if (looked >= lookedThrough && best !== null) break;
      looked += 1;
      const place = placeFor(waiter.batch, waiter.prefix);
      if (place === null) continue;
      if (place.saves === shares.response || waiter.overtaken >= often) return { ...place, waiter };
      if (best === null || place.saves > best.saves) best = { ...place, waiter };
    }
    return best;
  }

  /** Serves who waits until no slot is left for any of them. */
  function serve(): void {
    aloneLine.serve();
    for (let next = nextInLine(); next !== null; next = nextInLine()) {
      for (const waiter of waiters) {
        if (waiter === next.waiter) break;
        waiter.overtaken += 1;
      }
      next.waiter.give(next.engine);
    }
    for (const one of drained) if (waiters.size < one.rows) one.tell();
  }

  function slotOn(engine: Engine, prefix: PromptPrefix | undefined, isAlone = false): EngineSlot {
    let held = true;
    let answeredIn: number | null = null;
    engine.inFlight += 1;
    if (prefix !== undefined) homes.note(prefix, engine);
    const session = prefix?.conversation;
    return {
      origin: engine.client.origin,
      async complete(request, { signal, deadlineMs }) {
        const own = new AbortController();
        const stop = (): void => own.abort();
        signal.addEventListener("abort", stop, { once: true });
        if (signal.aborted) stop();
        engine.running.add(own);
        engine.sent += 1;
        const number = engine.sent;
        const sentAt = performance.now();
        try {
          const outcome = await engine.client.complete(request, { signal: own.signal, deadlineMs, session });
          const tookMs = performance.now() - sentAt;
          if (outcome.ok) {
            engine.cap = capAfterAnswer(engine.cap, engine.limit);
            engine.proxy = limitAfterAnswer(engine.proxy, tookMs);
            answeredIn ??= engine.epoch;
            return answeredIn === engine.epoch ? outcome : straddles;
          }
          if (outcome.failure.status === 429) engine.cap = capAfterRefusal(engine.cap, number, engine);
          if (outcome.failure.kind === "unreached") lost(engine, outcome.failure.message);
          if (outcome.failure.kind === "lost") {
            if (isAtHardLimit(engine.proxy, tookMs)) return cutByProxy(tookMs);
            engine.proxy = limitAfterLoss(engine.proxy, tookMs);
            lost(engine, outcome.failure.message);
          }
          const givenUp = outcome.failure.kind === "aborted" && !signal.aborted;
          return givenUp ? { ok: false, failure: { ...outcome.failure, kind: "lost", message: "given up" } } : outcome;
        } finally {
          engine.running.delete(own);
          signal.removeEventListener("abort", stop);
        }
      },
      fate: () => engine.fate,
      release() {
        if (!held) return;
        held = false;
        engine.inFlight -= 1;
        if (isAlone) engine.alone = false;
        serve();
      },
    };
  }

  function lost(engine: Engine, why: string): void {
    if (engine.down || closing.signal.aborted) return;
    engine.down = true;
    // a row that waited for this one to be empty may find another
    aloneLine.serve();
    const { look, onWarning } = options;
    engine.fate = waitUntilBack(engine, why, { look, onWarning, sleep, signal: closing.signal }).then((fate) => {
      if (fate === null) return unknown;
      engine.down = false;
      engine.doubted = false;
      serve();
      return fate;
    });
  }

  const pool: EnginePool = {
    origins: engines.map(({ client }) => client.origin),

    acquire(batch, signal, prefix) {
      if (signal.aborted) return Promise.reject(stopped());
      const refusal = allFenced(batch);
      if (refusal !== null) return Promise.reject(refusal);
      // who waits already was there first
      const place = waiters.size === 0 ? placeFor(batch, prefix) : null;
      if (place !== null) return Promise.resolve(slotOn(place.engine, prefix));
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          waiters.delete(waiter);
          signal.removeEventListener("abort", onAbort);
        };
        const waiter: Waiter = {
          batch,
          prefix,
          overtaken: 0,
          give: (given) => {
            leave();
            resolve(slotOn(given, prefix));
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

    acquireAlone(batch, signal) {
      if (signal.aborted) return Promise.reject(stopped());
      const refusal = allFenced(batch);
      if (refusal !== null) return Promise.reject(refusal);
      return new Promise((resolve, reject) => {
        const leave = aloneLine.stand({
          batch,
          give: (given) => {
            signal.removeEventListener("abort", onAbort);
            resolve(slotOn(given, undefined, true));
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
    },

    async life(origin) {
      const engine = named(origin);
      return engine === undefined ? null : ((await options.lifeOf?.(engine.client)) ?? null);
    },

    get waiting() {
      return waiters.size;
    },

    get capacity() {
      return engines.reduce((sum, engine) => sum + (engine.down ? 0 : slotsOf(engine)), 0);
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
      for (const waiter of [...waiters]) if (waiter.batch === batch) waiter.refuse(refusal);
      aloneLine.refuse(refusal, batch);
      serve();
    },

    lift(batch) {
      if (fences.delete(batch)) serve();
    },

    async close() {
      closing.abort();
      for (const waiter of [...waiters]) waiter.refuse(stopped());
      aloneLine.refuse(stopped());
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

/** Rows that may be in flight there: what its state allows, and no more than its 429s do. */
function slotsOf({ limit, cap }: Engine): number {
  return Math.min(limit, Math.floor(cap.rows));
}

/** Whoever closes the pool does not hear what became of an engine. */
const unknown: Promise<Fate> = new Promise(() => {});

/** The ids of one process in the prompt of another: two templates or two models in one row. */
const straddles: EngineOutcome = {
  ok: false,
  failure: {
    kind: "lost",
    status: null,
    message: "the engine was restarted between the row's two requests",
    retryAfterMs: null,
  },
};

function cutByProxy(afterMs: number): EngineOutcome {
  const message = `cut after ${inSeconds(afterMs)} s by a proxy in front of the engine`;
  return { ok: false, failure: { kind: "deadline", status: null, message, retryAfterMs: null } };
}

function stopped(): AssayError {
  return new AssayError("E_ABORTED", "stopped before the row had a slot");
}
