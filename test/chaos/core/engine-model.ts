import {
  type ChatRequest,
  type Completion,
  type EngineFailureKind,
  type EngineOutcome,
  type EngineRequest,
  sha256,
} from "@assay/core";
import type { EngineClient, Look } from "@assay/engine/pool";
import type { Faulty } from "./befall.ts";
import type { FaultKind, Night } from "./night.ts";
import { noId, yesId } from "./night-batch.ts";
import type { VirtualProcess, VirtualWorld } from "./virtual-world.ts";

/** One request, as an engine saw it. */
export interface Ask {
  readonly process: VirtualProcess;
  /** `<response>|<principle>` */
  readonly row: string;
  readonly atMs: number;
  /** null while it is not answered, and for ever when nobody learnt the answer */
  endedAtMs: number | null;
}

/** Everything that engines were asked in a night, and said. */
export interface AskLog {
  readonly asks: Ask[];
  /** by row, the pairs of log-probabilities that were told for it, as "yes no" */
  readonly told: Map<string, Set<string>>;
  /** by row, the engine processes that died, or hung, while it was alone in flight there */
  readonly lone: Map<string, Set<string>>;
}

/** A process at a URL, which outlives the workers that ask it. When it dies somebody starts it again. */
export interface NightEngine {
  readonly origin: string;
  /** names the process that runs, or ran last */
  readonly life: string;
  readonly isAway: boolean;
  /** what is in flight there */
  readonly running: Set<Running>;
  /** It takes everything that is in flight there with it. */
  die(): void;
}
interface Running {
  readonly ask: Ask;
  readonly end: () => void;
}

export function nightEngine(
  origin: string,
  world: VirtualWorld,
  log: AskLog,
  onDeath: (engine: NightEngine) => void,
): NightEngine {
  let deaths = 0;
  let awayUntil = 0;
  const engine: NightEngine = {
    origin,
    running: new Set(),
    get life() {
      return sha256(`${origin} ${deaths}`).slice(0, 8);
    },
    get isAway() {
      return world.now() < awayUntil;
    },
    die() {
      if (engine.isAway) return;
      onDeath(engine);
      noteLone(engine, log, engine.life);
      deaths += 1;
      awayUntil = world.now() + world.between(10_000, 60_000);
      for (const { end } of engine.running) end();
    },
  };
  return engine;
}

/** The row that was alone in flight at an engine whose end, or whose hanging, may be laid to it. */
function noteLone({ running }: NightEngine, { lone }: AskLog, end: string): void {
  const [first, ...more] = [...running].filter(({ ask }) => ask.process.alive);
  if (first !== undefined && more.length === 0)
    lone.set(first.ask.row, new Set([...(lone.get(first.ask.row) ?? []), end]));
}

/**
 * What one worker has of an engine. It samples: no two asks of a row agree. Its times are virtual, and what befalls its
 * answers is the night's. `onAsk` hears of each request that is sent; `giveUp` is called when the engine has hung for a
 * while, as the watchdog of the product does.
 */
export function engineClient(
  engine: NightEngine,
  night: Night & { readonly poisonous: string | null },
  at: { world: VirtualWorld; process: VirtualProcess; faults: Faulty },
  log: AskLog,
  tell: { readonly onAsk: (ask: Ask) => void; readonly giveUp: () => void },
): EngineClient & { look(): Promise<Look> } {
  const { world, process, faults } = at;
  /** the process that it was when it was looked at last */
  let known = engine.life;

  function lookAt(): Look {
    if (engine.isAway || faults.fateAtEngine()?.kind === "engine-away") return "away";
    if (known === engine.life) return "same";
    known = engine.life;
    return "back";
  }

  function answer(row: string): EngineOutcome {
    if (world.random() * 100 < night.failing) {
      return world.random() < 0.5 ? failure("rejected") : { ok: true, completion: completion(-3, -3.5) };
    }
    const yes = 0.01 + 0.98 * world.random();
    const [logprobYes, logprobNo] = [Math.log(yes), Math.log1p(-yes)];
    const told = log.told.get(row) ?? new Set();
    log.told.set(row, told.add(pairOf(logprobYes, logprobNo)));
    return { ok: true, completion: completion(logprobYes, logprobNo) };
  }

  function befallen(kind: FaultKind): EngineOutcome {
    switch (kind) {
      case "engine-busy":
        return failure("busy");
      case "engine-fails":
        return failure("server_error");
      case "engine-refuses":
        return failure("rejected");
      case "engine-garbage":
        return failure("bad_answer");
      case "engine-garbled":
        return { ok: true, completion: garbled[Math.floor(world.random() * garbled.length)] ?? completion(-3, -3) };
      default:
        return failure("lost");
    }
  }

  return {
    origin: engine.origin,
    streamFromNowOn() {},
    ask: () => Promise.resolve({ status: 0, body: "nothing is asked of this engine but rows" }),
    look: async () => lookAt(),

    async complete(request, { signal, deadlineMs }) {
      faults.note(process);
      const ask: Ask = { process, row: rowOf(request), atMs: world.now(), endedAtMs: null };
      log.asks.push(ask);
      tell.onAsk(ask);
      const fate = faults.fateAtEngine();
      if (engine.isAway) {
        await process.doze(5).over;
        ask.endedAtMs = world.now();
        return failure(signal.aborted ? "aborted" : "unreached");
      }
      const hangs = fate?.kind === "engine-hangs";
      const takesMs = hangs ? deadlineMs : night.slow ? world.between(2_000, 40_000) : world.between(50, 2_000);
      const { life } = engine;
      const kills = ask.row === night.poisonous;
      // it never answers a row that kills it
      const { over, wake } = process.doze(kills ? deadlineMs : takesMs);
      const own = { ask, end: wake };
      engine.running.add(own);
      // abort closes the socket
      signal.addEventListener("abort", wake, { once: true });
      const isRunning = (): boolean => engine.running.has(own) && process.alive && life === engine.life;
      if (kills) world.after(Math.min(takesMs, 5_000), () => isRunning() && engine.die());
      if (hangs)
        process.call(fate.ms, () => {
          // what has died since hangs no more, and the process after it is another
          if (!isRunning()) return;
          noteLone(engine, log, `${life} hung at ${world.now()}`);
          tell.giveUp();
        });
      await over;
      engine.running.delete(own);
      signal.removeEventListener("abort", wake);
      ask.endedAtMs = world.now();
      if (signal.aborted) return failure("aborted");
      if (life !== engine.life) return failure("lost");
      if (hangs) return failure("deadline");
      return fate === null ? answer(ask.row) : befallen(fate.kind);
    },
  };
}

export function pairOf(logprobYes: number | null, logprobNo: number | null): string {
  return `${logprobYes} ${logprobNo}`;
}

function rowOf(request: EngineRequest): string {
  const { messages } = request as ChatRequest;
  return `${messages.at(-2)?.content}|${messages.at(-1)?.content}`;
}

function failure(kind: EngineFailureKind): EngineOutcome {
  return { ok: false, failure: { kind, status: null, message: `played ${kind}`, retryAfterMs: null } };
}

function completion(logprobYes: number, logprobNo: number): Completion {
  const id = logprobYes >= logprobNo ? yesId : noId;
  const yes = { id: yesId, text: "Yes", logprob: logprobYes };
  const no = { id: noId, text: "No", logprob: logprobNo };
  return {
    reasoning: null,
    content: id === yesId ? "Yes" : "No",
    finishReason: "length",
    tokenIds: [id],
    promptTokenIds: null,
    logprobs: [{ sampled: id === yesId ? yes : no, told: [yes, no] }],
    logprobsEnd: 1,
    usage: { promptTokens: 8, completionTokens: 1, cachedTokens: null },
    latencyMs: 5,
  };
}

/** Answers out of which no reward may come. */
const garbled: readonly Completion[] = [
  { ...completion(-0.1, -3), logprobs: null, logprobsEnd: 0 },
  completion(Number.NaN, -1),
  completion(-0.01, -9_999),
  { ...completion(-0.1, -3), logprobs: [{ sampled: { id: yesId, text: "Yes", logprob: -0.1 }, told: [] }] },
  { ...completion(-0.1, -3), content: "", tokenIds: [], logprobs: [], logprobsEnd: 0 },
  { ...completion(-0.1, -3), finishReason: "abort" },
];
