import { canonicalJson, type Profile, pinDifferences, profileSha256, sha256 } from "@assay/core";
import type { EngineClient } from "./engine-client.ts";
import type { EngineFacts } from "./port.ts";
import { type EngineReport, probeEngine, servedModels } from "./probe-engine.ts";
import { processStart } from "./read-metrics.ts";

/**
 * What a look at a lost engine found: the very process that was lost, another one which passed the whole probe again, one
 * that passed it and cannot be told from the one that was lost, or none that rows may go to.
 */
export type Look = "same" | "back" | "untold" | "away";

export interface TakeBack {
  /** What an engine has to be again when it comes back. */
  noteProbe(probed: Probed): void;
  /**
   * When the process behind an engine's URL began, as /metrics tells. True where that is another process than the
   * one that was looked at last, which nobody has probed.
   */
  isAnother(origin: string, startedAt: number | null): boolean;
  /** Versions of all engines that passed a probe, each once. */
  versions(): readonly string[];
  /** As the pool's `life`. */
  lifeOf(client: EngineClient): Promise<string | null>;
  /** Never rejects. `isDoubted`: the process may be the one it was and has to prove itself all the same (it hung). */
  look(client: EngineClient, isDoubted: boolean): Promise<Look>;
}

/** One probe of all engines that passed. */
export interface Probed {
  readonly profile: Profile;
  readonly model: string;
  readonly revision: string | null;
  /** with the ids that the words have here */
  readonly resolved: Profile;
  readonly facts: readonly EngineFacts[];
}

const lookLimitMs = 5_000;
/** One token behind the prefills of a full engine. */
const tokenLimitMs = 30_000;
/** A process that is not what it was is probed again this much later; another process at once. */
const refusedForMs = 60_000;

/**
 * Decides when an engine that was lost gets rows again: it may have come back with other weights, another
 * template or other flags under the same name. A process that is told to be the same one only has to answer.
 */
export function createTakeBack(options: { signal: AbortSignal; onWarning: (text: string) => void }): TakeBack {
  const probes = new Map<string, Probed>();
  /** by origin, the start of the process that was probed, and of the newest that was seen */
  const processes = new Map<string, number>();
  const newest = new Map<string, number>();
  const balanced = new Set<string>();
  const versions = new Set<string>();
  const refused = new Map<string, { process: number | null; at: number; why: string }>();

  async function processOf(client: EngineClient): Promise<number | null> {
    const { status, body } = await client.ask("/metrics", undefined, lookLimitMs);
    return status === 200 && typeof body === "string" ? processStart(body) : null;
  }

  /** Null when the engine is what it was for every profile in use. */
  async function whatIsWrong(client: EngineClient): Promise<string | null> {
    for (const probed of probes.values()) {
      const { profile, model, revision } = probed;
      const report = await probeEngine(client, profile, model, revision, options.signal);
      const wrong = difference(report, probed);
      if (wrong !== null) return wrong;
      if (report.facts !== null) versions.add(report.facts.version);
    }
    return null;
  }

  return {
    noteProbe(probed) {
      probes.set(`${profileSha256(probed.profile)} ${probed.model} ${probed.revision ?? ""}`, probed);
      for (const { version } of probed.facts) versions.add(version);
    },

    versions: () => [...versions],

    isAnother(origin, startedAt) {
      if (startedAt === null || balanced.has(origin)) return false;
      if (startedAt < (newest.get(origin) ?? startedAt)) {
        // a restart never goes back in time
        balanced.add(origin);
        options.onWarning(
          `several engines answer at ${origin}, so that no restart can be seen: name each one's own URL`,
        );
        return false;
      }
      newest.set(origin, startedAt);
      const known = processes.get(origin);
      if (known === undefined) processes.set(origin, startedAt);
      return known !== undefined && startedAt !== known;
    },

    async lifeOf(client) {
      const process = await processOf(client);
      const isTold = process !== null && !balanced.has(client.origin);
      return isTold ? sha256(`${client.origin} ${process}`).slice(0, 8) : null;
    },

    async look(client, isDoubted) {
      const { origin } = client;
      const process = await processOf(client);
      if (!(await answers(client))) return "away";
      const isTold = process !== null && !balanced.has(origin);
      if (isTold && process === processes.get(origin) && !isDoubted) return "same";
      const last = refused.get(origin);
      if (last?.process === process && performance.now() - last.at < refusedForMs) return "away";
      const why = await whatIsWrong(client).catch((error: Error) => error.message);
      if (why === null && (!isTold || (await processOf(client)) === process)) {
        refused.delete(origin);
        if (!isTold) return "untold";
        processes.set(origin, process);
        return "back";
      }
      if (why === null || options.signal.aborted) return "away";
      refused.set(origin, { process, at: performance.now(), why });
      if (why !== last?.why) options.onWarning(`engine ${origin} answers again and gets no rows: ${why}`);
      return "away";
    },
  };
}

/** In which way an engine is not what it was, with both values; null when it is. */
function difference(report: EngineReport, { facts, resolved }: Probed): string | null {
  const failed = report.checks.find(({ ok }) => !ok);
  if (report.facts === null) {
    const expected = failed?.expected === undefined ? "" : `, not ${failed.expected}`;
    return `${failed?.name ?? "probe"} ${failed?.found ?? "failed"}${expected}`;
  }
  const before = facts.find(({ origin }) => origin === report.origin) ?? facts[0];
  if (before === undefined) return null;
  const [pin] = pinDifferences(before.pin, report.facts.pin);
  if (pin !== undefined) return `${pin.field} is ${pin.found}, was ${pin.pinned}`;
  if (canonicalJson(report.profile) !== canonicalJson(resolved)) return "the verdict's words have other ids";
  const lacking = before.ways.filter((way) => report.facts?.ways.includes(way) !== true);
  return lacking.length === 0 ? null : `it no longer reads verdicts by ${lacking.join(" and ")}`;
}

/**
 * Whether an engine answers: /health alone says yes for one that hangs, so one token is asked for, too. Hosted servers
 * have no /health and perhaps no /v1/completions: there the list of models has to do.
 */
async function answers(client: EngineClient): Promise<boolean> {
  const { status } = await client.ask("/health", undefined, lookLimitMs);
  if (status !== 200 && status !== 404) return false;
  const served = await servedModels(client);
  if (!Array.isArray(served)) return false;
  const one = { model: served[0]?.id, prompt: [1], max_tokens: 1, temperature: 0 };
  const token = await client.ask("/v1/completions", one, tokenLimitMs);
  return token.status !== 0 && token.status !== 500;
}
