import { setMaxListeners } from "node:events";
import { AssayError, canonicalJson, type Profile } from "@assay/core";
import type { Dispatcher } from "undici";
import { createEngineClient } from "./engine-client.ts";
import { createEnginePool } from "./engine-pool.ts";
import type { EngineFacts, EnginePool } from "./port.ts";
import { type EngineReport, isSimulated, probeEngine, servedModels } from "./probe-engine.ts";
import { type BenchSettings, runBench } from "./run-bench.ts";
import { createTakeBack } from "./take-back.ts";
import { watchEngine } from "./watch-engine.ts";

export interface OpenEnginesOptions {
  readonly urls: readonly string[];
  /** made by the app with `engineAgentOptions`, and closed by it */
  readonly agent: Dispatcher;
  readonly apiKey: string | null;
  /** rows in flight per engine; null = as many as each engine's own state allows */
  readonly inFlight: number | null;
  readonly onWarning: (text: string) => void;
  /** told when an engine was given up because it hangs */
  readonly onHung?: (origin: string, reason: string) => void;
  /** how often engines are looked at; 5 s */
  readonly lookEveryMs?: number;
  /** no token in this long, with rows running: the engine hangs; 60 s */
  readonly hungMs?: number;
  /** answers lost sooner than this are not taken for a proxy's limit; 30 s */
  readonly leastCutMs?: number;
}

export interface Engines {
  readonly pool: EnginePool;
  /**
   * What each engine serves, or with `answering` each one that answers. Rejects with E_ENGINE_UNREACHABLE (then where
   * none does) or E_ENGINE_DENIED.
   */
  models(of?: "answering"): Promise<{ origin: string; models: string[]; simulated: boolean }[]>;
  /**
   * Probes every engine for a profile. Returns the profile with the ids that its words have here, and every version that
   * an engine of these has had, those that come back with another included. Engines that do not answer hold up nobody: no
   * facts are told of them, and they get no rows until they answer and pass as the others did. Rejects with
   * E_ENGINE_UNREACHABLE where none answers, E_ENGINE_DENIED, or E_ENGINE_REFUSED naming check, expected and got.
   */
  probe(
    profile: Profile,
    model: string,
    revision: string | null,
  ): Promise<{ profile: Profile; facts: readonly EngineFacts[]; versions: () => readonly string[] }>;
  /** The same for a person to read: every check of every engine. Rejects only when closed. */
  examine(profile: Profile, model: string): Promise<EngineReport[]>;
  /** Measures the first engine; see runBench. */
  bench(settings: BenchSettings, hooks: Parameters<typeof runBench>[2]): Promise<void>;
  close(): Promise<void>;
}

/** A restarting proxy or a lost packet is over sooner. */
const goneMs = 15_000;
/** Rows in flight at an engine that tells nothing about itself, and until it has. */
const blindInFlight = 32;
/** A prompt of 2,000 tokens and half of an answer of 2,000: what the first limit reckons with. */
const expectedLiveTokens = 3_000;

/** The engines behind these URLs as one pool. Opens no connection yet. Throws E_USAGE for a bad or doubled URL. */
export function openEngines(options: OpenEnginesOptions): Engines {
  const { agent, apiKey, onWarning } = options;
  const clients = options.urls.map((url) => createEngineClient({ url, agent, apiKey, onWarning }));
  const origins = clients.map(({ origin }) => origin);
  const doubled = origins.find((origin, i) => origins.indexOf(origin) !== i);
  if (doubled !== undefined) throw new AssayError("E_USAGE", "an engine is named twice", { where: doubled });
  const closing = new AbortController();
  // every engine's watcher and probe listens to it: no leak, whatever Node 20 says from the eleventh on
  setMaxListeners(0, closing.signal);
  const takeBack = createTakeBack({ signal: closing.signal, onWarning });
  const { look, lifeOf } = takeBack;
  const { inFlight, leastCutMs } = options;
  const watched = createEnginePool({
    clients,
    inFlight: inFlight ?? blindInFlight,
    look,
    lifeOf,
    leastCutMs,
    onWarning,
  });
  const { pool } = watched;
  for (const client of clients) {
    void watchEngine(client, {
      inFlight: options.inFlight,
      liveTokens: expectedLiveTokens,
      everyMs: options.lookEveryMs ?? 5_000,
      hungMs: options.hungMs ?? 60_000,
      setLimit: (limit) => watched.setLimit(client.origin, limit),
      taken: () => watched.taken(client.origin),
      onProcess: (startedAt) => {
        if (takeBack.isAnother(client.origin, startedAt)) watched.lose(client.origin, "it was restarted");
      },
      onRefused: () => watched.suspect(client.origin, "nobody listens at its port"),
      goneMs,
      onGone: (reason) => void watched.lose(client.origin, reason),
      onHung: (reason) => {
        if (watched.lose(client.origin, reason)) options.onHung?.(client.origin, reason);
      },
      signal: closing.signal,
    });
  }

  const probeAll = (profile: Profile, model: string, revision: string | null): Promise<EngineReport[]> =>
    Promise.all(clients.map((client) => probeEngine(client, profile, model, revision, closing.signal)));

  return {
    pool,

    async models(of) {
      const looked = await Promise.all(
        clients.map(async (client) => ({ origin: client.origin, served: await servedModels(client) })),
      );
      const noneAnswers = looked.every(({ served }) => !Array.isArray(served));
      return looked.flatMap(({ origin, served }) => {
        if (Array.isArray(served))
          return [{ origin, models: served.map(({ id }) => id), simulated: isSimulated(served) }];
        if (of !== "answering" || noneAnswers || served.denied) throw unreachable(origin, served);
        return [];
      });
    },

    async probe(profile, model, revision) {
      const all = await probeAll(profile, model, revision);
      const answering = all.filter((report) => !isSilent(report));
      const reports = answering.length === 0 ? all : answering;
      const facts = reports.map((report) => report.facts ?? refuse(report));
      const resolved = reports[0]?.profile;
      if (resolved === null || resolved === undefined) throw new AssayError("E_USAGE", "no engine is named");
      const other = reports.find((report) => canonicalJson(report.profile) !== canonicalJson(resolved));
      if (other !== undefined) {
        throw new AssayError("E_ENGINE_REFUSED", "two engines have different ids for the verdict's words", {
          where: `${reports[0]?.origin} and ${other.origin}`,
          expected: canonicalJson(resolved.verdict.forms),
          got: canonicalJson(other.profile?.verdict.forms),
        });
      }
      takeBack.noteProbe({ profile, model, revision, resolved, facts });
      for (const report of all.filter(isSilent)) watched.doubt(report.origin, "it does not answer the probe");
      return { profile: resolved, facts, versions: takeBack.versions };
    },

    examine: (profile, model) => probeAll(profile, model, null),

    async bench(settings, hooks) {
      const [client] = clients;
      if (client === undefined) throw new AssayError("E_USAGE", "no engine is named");
      await runBench(client, settings, hooks);
    },

    async close() {
      closing.abort();
      await pool.close();
    },
  };
}

/** Whether it did not even tell its models; one that refuses the key answers. */
function isSilent(report: EngineReport): boolean {
  const failed = report.checks.find(({ ok }) => !ok);
  return failed?.name === "reachable" && !refusesKey(failed.found);
}

function refusesKey(found: string): boolean {
  return /\b40[13]\b/.test(found);
}

function refuse(report: EngineReport): never {
  const failed = report.checks.find(({ ok }) => !ok);
  if (failed?.name === "reachable") {
    throw unreachable(report.origin, { why: failed.found, denied: refusesKey(failed.found) });
  }
  throw new AssayError("E_ENGINE_REFUSED", `the engine failed the probe: ${failed?.name}`, {
    where: report.origin,
    ...(failed?.expected === undefined ? {} : { expected: failed.expected }),
    ...(failed === undefined ? {} : { got: failed.found }),
    ...(failed?.next === undefined ? {} : { next: failed.next }),
  });
}

function unreachable(origin: string, { why, denied }: { why: string; denied: boolean }): AssayError {
  return denied
    ? new AssayError("E_ENGINE_DENIED", "the engine refuses the key", { where: origin, got: why })
    : new AssayError("E_ENGINE_UNREACHABLE", "the engine does not answer", { where: origin, got: why });
}
