import { AssayError, type Profile } from "@assay/core";
import { checkReading } from "./check-reading.ts";
import { checkTurns, chooseRendering } from "./check-rendering.ts";
import type { EngineCheck, Fail, Pass } from "./engine-check.ts";
import type { EngineClient } from "./engine-client.ts";
import { patientClient } from "./patient-client.ts";
import type { EngineFacts } from "./port.ts";
import { probeServing } from "./probe-serving.ts";
import { templateFingerprint } from "./probe-template.ts";
import { probeWords } from "./probe-words.ts";

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

/**
 * Asks one engine everything that has to hold before a row may be sent: the model is served, the verdict's
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
    const { facts, resolved } = await runChecks(patientClient(client), profile, model, revision, signal, pass, fail);
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
  fail: Fail,
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

  const words = await probeWords(client, model, profile);
  if (!words.ok) return fail("verdict words", words.found, words.expected, words.next);
  pass("verdict words", words.words);
  const resolved = words.profile;

  const { rendered, prompt } = await chooseRendering(client, model, resolved, pass, fail);
  const delimiters = await checkTurns(client, model, resolved, rendered, words.told && prompt.ids !== null, pass, fail);
  const asked = await checkReading(client, model, resolved, { rendered, prompt }, signal, pass, fail);

  const serving = await probeServing(client, model, prompt.ids, asked.reading);
  for (const line of serving.checks) pass(line.name, line.found, line.next);

  const simulated = entry.owner === simulatorOwner;
  if (simulated) pass("simulated", "yes: its rewards are no judgements");
  const pin = {
    model,
    revision,
    template: templateFingerprint(prompt),
    delimiters,
    logprobs: asked.logprobs,
    simulated,
    ...(rendered === "plain" ? { rendered } : {}),
  };
  const { ways, server } = asked;
  const facts: EngineFacts = {
    origin: client.origin,
    model,
    version,
    maxModelLen: entry.maxModelLen,
    ways,
    server,
    blockSize: serving.blockSize,
    pin,
  };
  return { facts, resolved };
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
