import {
  AssayError,
  type Completion,
  type EngineFailureKind,
  type EngineOutcome,
  type EngineRequest,
  type PromptPrefix,
  sha256,
} from "@assay/core";
import type { EnginePool, EngineSlot } from "@assay/engine";
import { turn } from "./immediate-clock.ts";
import { chatAnswer, readAnswer, rowNumberOf, rowOf, yesOf } from "./scripted-answer.ts";

/** Engines in memory that answer as a test scripts them, behind the pool's own contract (engine/src/port.ts). */
export interface ScriptedPool extends EnginePool {
  /** every request, in the order in which it was sent */
  readonly log: readonly Ask[];
  /** what each row that asked for a slot said of its prompt's beginning, in the order of asking */
  readonly prefixes: readonly (PromptPrefix | undefined)[];
  /** fences that stand now, as "batch origin: reason" */
  readonly fences: () => string[];
  /** rows that hold a slot now */
  readonly inFlight: () => number;
  /** processes of engines that have ended so far */
  readonly deaths: () => number;
}

/** One request, as a script sees it. */
export interface Ask {
  readonly kind: "chat" | "read";
  readonly batch: string;
  readonly origin: string;
  /** the judged response and the principle: `<response>|<principle>` */
  readonly row: string;
  /** how often this pool was asked this row with this kind of request, from 1 */
  readonly nth: number;
  readonly request: EngineRequest;
}

/** What an engine does with a request; an object overrides what a verdict would have been. */
export type Say =
  | "verdict"
  | EngineFailureKind
  | Happening
  | Partial<EngineFailureOf>
  | { readonly completion: Partial<Completion> };
type Happening =
  /** lost, as is all that is in flight there: the engine's process ends and another one takes its place */
  | "dies"
  /** it had ended just before the request came: unreached */
  | "dies-before"
  | "hang";
interface EngineFailureOf {
  readonly kind: EngineFailureKind;
  readonly retryAfterMs: number | null;
}

export function scriptedPool(
  options: {
    origins?: readonly string[];
    /** rows in flight per engine */
    slots?: number;
    script?: (ask: Ask) => Say;
    /** P(Yes) of an answer; told how often the row was asked, so that a test can play a sampled model */
    yes?: (row: string, draw: number) => number;
    /** awaited before each answer: where other processes of the test get their turn */
    before?: (ask: Ask) => Promise<void>;
    /** which process an engine is, where engines outlive the pool; else each death makes another one */
    life?: (origin: string) => string;
  } = {},
): ScriptedPool {
  const {
    origins = ["http://engine-a:8000"],
    slots = 4,
    script = () => "verdict",
    yes = yesOf,
    before = turn,
  } = options;
  const engines = origins.map((origin) => ({
    origin,
    inFlight: 0,
    down: false,
    alone: false,
    deaths: 0,
    running: new Set<AbortController>(),
  }));
  type Engine = (typeof engines)[number];
  const log: Ask[] = [];
  const prefixes: (PromptPrefix | undefined)[] = [];
  const asked = new Map<string, number>();
  const rows: string[] = [];
  const fenced = new Map<string, Map<string, string>>();
  const waiters: { batch: string; give: (slot: EngineSlot) => void; refuse: (error: AssayError) => void }[] = [];
  const opening = new Set<() => void>();

  const free = (batch: string): Engine | undefined =>
    engines
      .filter(
        ({ origin, inFlight, down, alone }) =>
          !down && !alone && inFlight < slots && fenced.get(batch)?.has(origin) !== true,
      )
      .sort((a, b) => a.inFlight - b.inFlight)[0];

  function refusal(batch: string): AssayError | null {
    const reasons = [...(fenced.get(batch)?.values() ?? [])];
    return reasons.length < engines.length ? null : new AssayError("E_ENGINES_FENCED", reasons.at(-1) ?? "");
  }

  function serve(): void {
    for (const waiter of [...waiters]) {
      const engine = free(waiter.batch);
      if (engine !== undefined) waiter.give(slotOn(engine, waiter.batch));
    }
    for (const look of opening) look();
  }

  function slotOn(engine: Engine, batch: string): EngineSlot {
    let held = true;
    const bornAt = engine.deaths;
    engine.inFlight += 1;
    return {
      origin: engine.origin,
      async complete(request, { signal }) {
        if (!held) throw new Error("scripted-pool: a request in a slot that was given back");
        const ask = note(request, batch, engine.origin);
        const dies = new AbortController();
        engine.running.add(dies);
        const ends = AbortSignal.any([signal, dies.signal]);
        const say = script(ask);
        if (say === "hang" && !ends.aborted) {
          await new Promise<void>((resolve) => {
            ends.addEventListener("abort", () => resolve(), { once: true });
          });
        }
        await before(ask);
        engine.running.delete(dies);
        if (signal.aborted) return failure("aborted");
        if (dies.signal.aborted) return failure("lost");
        if (say === "dies" || say === "dies-before") {
          for (const other of engine.running) other.abort();
          engine.deaths += 1;
        }
        const said = sayAfter(say);
        const outcome = answer(ask, said);
        if (!outcome.ok && (outcome.failure.kind === "lost" || outcome.failure.kind === "unreached")) lose(engine);
        return outcome;
      },
      fate: async () => {
        await turn();
        return engine.deaths === bornAt ? "lives" : "died";
      },
      release() {
        if (!held) return;
        held = false;
        engine.inFlight -= 1;
        serve();
      },
    };
  }

  /** An engine that was lost is back after a turn; its row goes elsewhere or waits. */
  function lose(engine: Engine): void {
    engine.down = true;
    void turn().then(() => {
      engine.down = false;
      serve();
    });
  }

  function note(request: EngineRequest, batch: string, origin: string): Ask {
    const row = request.kind === "chat" ? rowOf(request) : (rows[rowNumberOf(request)] ?? "?");
    if (request.kind === "chat" && !rows.includes(row)) rows.push(row);
    const key = `${request.kind} ${batch} ${row}`;
    const nth = (asked.get(key) ?? 0) + 1;
    asked.set(key, nth);
    const ask = { kind: request.kind, batch, origin, row, nth, request };
    log.push(ask);
    return ask;
  }

  function answer(ask: Ask, say: Exclude<Say, Happening>): EngineOutcome {
    if (typeof say === "string" && say !== "verdict") return failure(say);
    if (typeof say === "object" && !("completion" in say)) return failure(say.kind ?? "busy", say.retryAfterMs ?? null);
    const { request, row, nth } = ask;
    const completion =
      request.kind === "chat" ? chatAnswer(request, row, rows.indexOf(row), nth, yes) : readAnswer(request, row, yes);
    return { ok: true, completion: typeof say === "object" ? { ...completion, ...say.completion } : completion };
  }

  return {
    origins,
    log,
    prefixes,
    fences: () =>
      [...fenced].flatMap(([batch, of]) => [...of].map(([origin, reason]) => `${batch} ${origin}: ${reason}`)),
    inFlight: () => engines.reduce((sum, { inFlight }) => sum + inFlight, 0),
    deaths: () => engines.reduce((sum, { deaths }) => sum + deaths, 0),
    acquire(batch, signal, prefix) {
      prefixes.push(prefix);
      if (signal.aborted) return Promise.reject(new AssayError("E_ABORTED", "stopped"));
      const refused = refusal(batch);
      if (refused !== null) return Promise.reject(refused);
      const engine = waiters.length === 0 ? free(batch) : undefined;
      if (engine !== undefined) return Promise.resolve(slotOn(engine, batch));
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          waiters.splice(waiters.indexOf(waiter), 1);
          signal.removeEventListener("abort", onAbort);
        };
        const waiter = {
          batch,
          give: (slot: EngineSlot) => {
            leave();
            resolve(slot);
          },
          refuse: (error: AssayError) => {
            leave();
            reject(error);
          },
        };
        const onAbort = (): void => {
          waiter.refuse(new AssayError("E_ABORTED", "stopped"));
          serve();
        };
        signal.addEventListener("abort", onAbort, { once: true });
        waiters.push(waiter);
        serve();
      });
    },
    async acquireAlone(batch, signal) {
      const stopped = (): void => {
        if (signal.aborted) throw new AssayError("E_ABORTED", "stopped");
      };
      const refused = refusal(batch);
      if (refused !== null) throw refused;
      let engine = engines.find(({ alone }) => !alone);
      for (; engine === undefined; engine = engines.find(({ alone }) => !alone)) {
        stopped();
        await turn();
      }
      const own = engine;
      own.alone = true;
      const free = (): void => {
        own.alone = false;
        serve();
      };
      try {
        for (stopped(); own.down || own.inFlight > 0; stopped()) await turn();
      } catch (error) {
        free();
        throw error;
      }
      const slot = slotOn(own, batch);
      return {
        ...slot,
        release() {
          slot.release();
          free();
        },
      };
    },
    async life(origin) {
      const engine = engines.find((one) => one.origin === origin);
      if (engine === undefined) return null;
      return options.life?.(origin) ?? lifeOf(origin, engine.deaths);
    },
    get waiting() {
      return waiters.length;
    },
    get capacity() {
      return engines.filter(({ down }) => !down).length * slots;
    },
    capacityFor: (batch) =>
      engines.filter(({ down, origin }) => !down && fenced.get(batch)?.has(origin) !== true).length * slots,
    whenOpen(batch, signal) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          const error = signal.aborted ? new AssayError("E_ABORTED", "stopped") : refusal(batch);
          const isOpen = slots > 0 && engines.some((one) => !one.down && fenced.get(batch)?.has(one.origin) !== true);
          if (error === null && !isOpen) return;
          opening.delete(look);
          signal.removeEventListener("abort", look);
          if (error === null) resolve();
          else reject(error);
        };
        opening.add(look);
        signal.addEventListener("abort", look, { once: true });
        look();
      });
    },
    fence(batch, origin, reason) {
      const of = fenced.get(batch) ?? new Map<string, string>();
      fenced.set(batch, of);
      if (!of.has(origin)) of.set(origin, reason);
      const refused = refusal(batch);
      if (refused !== null) for (const waiter of [...waiters]) if (waiter.batch === batch) waiter.refuse(refused);
      serve();
    },
    isFenced: (batch, origin) => fenced.get(batch)?.has(origin) === true,
    lift(batch) {
      fenced.delete(batch);
      serve();
    },
    close: () => Promise.resolve(),
  };
}

/** What is answered in the end. */
function sayAfter(say: Say): Exclude<Say, Happening> {
  switch (say) {
    case "hang":
      return "verdict";
    case "dies":
      return "lost";
    case "dies-before":
      return "unreached";
    default:
      return say;
  }
}

/** What the process of an engine is called that has died so often. */
export function lifeOf(origin: string, deaths: number): string {
  return sha256(`${origin} ${deaths}`).slice(0, 8);
}

function failure(kind: EngineFailureKind, retryAfterMs: number | null = null): EngineOutcome {
  return { ok: false, failure: { kind, status: null, message: `scripted ${kind}`, retryAfterMs } };
}
