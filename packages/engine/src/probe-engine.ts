import { AssayError, type Profile, resolveForms } from "@assay/core";
import type { EngineCheck } from "./engine-check.ts";
import type { EngineClient } from "./engine-client.ts";
import type { EngineFacts } from "./port.ts";
import { probeRawLogprobs, probeReading } from "./probe-reading.ts";
import { probeServing } from "./probe-serving.ts";
import {
  measureDelimiters,
  messagesOf,
  probeRow,
  specialsLeak,
  templateFingerprint,
  tokenizeMessages,
  tokenizeText,
} from "./probe-template.ts";

export interface EngineReport {
  readonly origin: string;
  readonly checks: readonly EngineCheck[];
  /** null when a check failed */
  readonly facts: EngineFacts | null;
  /** the profile with the ids that its words have here; null when a check failed */
  readonly profile: Profile | null;
}

/** Who the simulator says owns its models: its numbers are nobody's judgements. */
const simulatorOwner = "assay-simulator";
const lookLimitMs = 10_000;

class Failed extends Error {}

/** A line that is fine; `next` is what would make it better. */
type Pass = (name: string, found: string, next?: string) => void;

/**
 * Asks one engine everything that has to hold before a row may be sent (DESIGN 5): the model is served, the verdict's
 * words are single tokens, the template knows the profile's turns and lets no row's text speak, token ids and exact
 * log-probabilities come back as the model gave them, and the golden pair is told apart. Stops at the first failed
 * check. Rejects only with E_ABORTED.
 */
export async function probeEngine(
  client: EngineClient,
  profile: Profile,
  model: string,
  revision: string | null,
  signal: AbortSignal,
): Promise<EngineReport> {
  const checks: EngineCheck[] = [];
  const pass: Pass = (name, found, next) =>
    void checks.push({ name, ok: true, found, ...(next === undefined ? {} : { next }) });
  const fail = (name: string, found: string, expected: string, next?: string): never => {
    checks.push({ name, ok: false, found, expected, ...(next === undefined ? {} : { next }) });
    throw new Failed(name);
  };
  try {
    const { facts, resolved } = await runChecks(client, profile, model, revision, signal, pass, fail);
    return { origin: client.origin, checks, facts, profile: resolved };
  } catch (error) {
    if (signal.aborted) throw new AssayError("E_ABORTED", "stopped while the engine was probed");
    if (!(error instanceof Failed)) throw error;
    return { origin: client.origin, checks, facts: null, profile: null };
  }
}

async function runChecks(
  client: EngineClient,
  profile: Profile,
  model: string,
  revision: string | null,
  signal: AbortSignal,
  pass: Pass,
  fail: (name: string, found: string, expected: string, next?: string) => never,
): Promise<{ facts: EngineFacts; resolved: Profile }> {
  const served = await servedModels(client);
  if (!Array.isArray(served)) {
    return fail(
      "reachable",
      served.why,
      "GET /v1/models answers 200",
      served.denied ? "ASSAY_ENGINE_KEY or --engine-key-file" : "start the engine, or check the URL",
    );
  }
  const entry = served.find(({ id }) => id === model);
  if (entry === undefined) {
    return fail(
      "model",
      served.map(({ id }) => id).join(", ") || "none",
      model,
      `--model ${served[0]?.id ?? "NAME"}, or start the engine with --served-model-name ${model}`,
    );
  }
  pass("model", `${model}${entry.maxModelLen === null ? "" : `, context of ${entry.maxModelLen} tokens`}`);
  if (entry.maxModelLen !== null && profile.max_tokens >= entry.maxModelLen) {
    return fail(
      "context",
      `${entry.maxModelLen} tokens`,
      `more than the ${profile.max_tokens} tokens that an answer may have`,
      `--set max_tokens=${Math.floor(entry.maxModelLen / 2)}, or start vLLM with a larger --max-model-len`,
    );
  }
  const version = await engineVersion(client);
  pass("version", version);

  const resolved = await resolveWords(client, profile, model, pass, fail);

  const messages = messagesOf(
    probeRow({ prompt: "What is 1+1?", response: "1+1=2", principle: "correctness" }),
    model,
    resolved,
  );
  const rendered = await tokenizeMessages(client, model, messages, resolved);
  if ("refused" in rendered) {
    return fail(
      "template",
      rendered.refused,
      `turns ${messages.map(({ role }) => role).join(", ")}`,
      "serve the model with its own chat template, or choose another --profile",
    );
  }
  const template = templateFingerprint(rendered.ids);
  pass("template", `fingerprint ${template.slice(0, 12)}`);
  const measured = await measureDelimiters(client, model, resolved);
  if ("why" in measured)
    return fail(
      "turn delimiters",
      measured.why,
      "each of the profile's delimiters is one token, made by the template alone",
    );
  const leak = await specialsLeak(client, model, resolved);
  if (leak !== null) return fail("row text stays text", leak, "no special token out of a row's text");
  pass("row text stays text", "specials in a row are broken up");

  const raw = await probeRawLogprobs(client, model, rendered.ids, firstPair(resolved));
  if (raw !== null && !raw.raw && resolved.sampling.temperature > 0 && resolved.verdict.read === "ids") {
    return fail(
      "log-probabilities",
      `${raw.words}: scaled or filtered`,
      "raw log-probabilities",
      "start vLLM with --logprobs-mode raw_logprobs",
    );
  }
  pass(
    "log-probabilities",
    raw === null ? "not told for exact ids on /v1/completions" : `${raw.raw ? "raw" : "processed"}: ${raw.words}`,
  );

  const reading = await probeReading(client, model, resolved, signal);
  // a read at temperature 0 is right even where log-probabilities are scaled, one at the sampling's is not
  const ways = reading.ways.filter(
    (way) => way === "two-step" || raw?.raw !== false || resolved.sampling.temperature === 0,
  );
  if (ways.length === 0)
    return fail(
      "reading the verdict",
      reading.words,
      "token ids and log-probabilities of exact ids",
      "vLLM 0.20 or later: return_token_ids and logprob_token_ids",
    );
  pass("reading the verdict", reading.words);
  if (profile.golden !== null) {
    const { better, worse } = reading;
    const words = `better ${better?.toFixed(2) ?? "none"}, worse ${worse?.toFixed(2) ?? "none"}`;
    if (better === null || worse === null || !(better > 0 && worse < 0)) {
      return fail(
        "golden pair",
        words,
        "a reward above 0 for the better, below 0 for the worse response",
        "check that this is the profile's model",
      );
    }
    pass("golden pair", words);
  }

  const serving = await probeServing(client, model, rendered.ids, reading);
  for (const line of serving.checks) pass(line.name, line.found, line.next);

  const simulated = entry.owner === simulatorOwner;
  if (simulated) pass("simulated", "yes: its rewards are no judgements");
  const pin = {
    model,
    revision,
    template,
    delimiters: measured.delimiters,
    logprobs: raw?.raw === false ? ("processed" as const) : ("raw" as const),
    simulated,
  };
  return { facts: { origin: client.origin, model, version, maxModelLen: entry.maxModelLen, ways, pin }, resolved };
}

interface ServedModel {
  readonly id: string;
  readonly owner: string;
  readonly maxModelLen: number | null;
}

/** What GET /v1/models lists, or why it does not. */
export async function servedModels(client: EngineClient): Promise<ServedModel[] | { why: string; denied: boolean }> {
  const { status, body } = await client.ask("/v1/models", undefined, lookLimitMs);
  const data = (body as { data?: unknown } | null)?.data;
  if (status !== 200 || !Array.isArray(data)) {
    return { why: status === 0 ? String(body) : `HTTP ${status}`, denied: status === 401 || status === 403 };
  }
  return data.map((raw: { id?: unknown; owned_by?: unknown; max_model_len?: unknown }) => ({
    id: String(raw.id),
    owner: String(raw.owned_by ?? ""),
    maxModelLen: typeof raw.max_model_len === "number" ? raw.max_model_len : null,
  }));
}

export function isSimulated(models: readonly ServedModel[]): boolean {
  return models.some(({ owner }) => owner === simulatorOwner);
}

async function engineVersion(client: EngineClient): Promise<string> {
  const { status, body } = await client.ask("/version", undefined, lookLimitMs);
  const version = (body as { version?: unknown } | null)?.version;
  return status === 200 && typeof version === "string" ? version : "unknown";
}

/** Every word of the verdict must be the one token that the profile says, or, where it says none, one token. */
async function resolveWords(
  client: EngineClient,
  profile: Profile,
  model: string,
  pass: Pass,
  fail: (name: string, found: string, expected: string, next?: string) => never,
): Promise<Profile> {
  const found = new Map<string, number>();
  for (const form of profile.verdict.forms) {
    for (const [word, id] of [
      [form.yes, form.yes_id],
      [form.no, form.no_id],
    ] as const) {
      const ids = await tokenizeText(client, model, word);
      if (ids === null) return fail("verdict words", "POST /tokenize does not answer", "the ids of each verdict word");
      if (ids.length === 1 && ids[0] !== undefined) found.set(word, ids[0]);
      if (id !== null && !(ids.length === 1 && ids[0] === id)) {
        return fail(
          "verdict words",
          `"${word}" is ${ids.join(" ")}`,
          `"${word}" is the one token ${id}`,
          "choose the profile of this model, or make one: --profile FILE",
        );
      }
    }
  }
  const resolved = resolveForms(profile, found);
  if (resolved.verdict.forms.length === 0) {
    return fail(
      "verdict words",
      "none of the profile's pairs is a pair of single tokens",
      "at least one pair of single tokens",
    );
  }
  pass(
    "verdict words",
    resolved.verdict.forms.map(({ yes, no, yes_id, no_id }) => `"${yes}" ${yes_id}/"${no}" ${no_id}`).join(", "),
  );
  return resolved;
}

function firstPair(profile: Profile): [number, number] {
  const form = profile.verdict.forms[0];
  return [form?.yes_id ?? 0, form?.no_id ?? 0];
}
