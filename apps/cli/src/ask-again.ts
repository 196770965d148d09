import {
  type Asked,
  AssayError,
  askBothWays,
  askVerdict,
  type BatchFile,
  buildRequest,
  type Completion,
  cardIds,
  cardPolicies,
  type EngineOutcome,
  type EngineRequest,
  hasCardPolicies,
  logprobsAt,
  type Pin,
  type PolicyGiven,
  type Profile,
  pinDifferences,
  type ReadWay,
  type Row,
  reward,
  templateBreach,
  type VerdictRead,
  visibleText,
  vllmForm,
} from "@assay/core";
import type { EngineFacts } from "@assay/engine";
import { line, policyLines, signed, textLines } from "./explanation-lines.ts";
import { type OpenedEngines, openNamedEngines, readEngineKey } from "./open-engines.ts";
import { count, note } from "./say.ts";
import { table } from "./table.ts";

export interface AgainFlags {
  readonly engine: readonly string[];
  readonly engineKeyFile?: string;
}

/** A reasoning of 16,000 tokens at 60 ms each is 16 minutes. */
const askLimitMs = 30 * 60_000;
const detokenizeLimitMs = 30_000;
/** Around the verdict: the anchor before it, an end token or a dot behind it. */
const shownTokens = 8;

/**
 * Asks a stored row once more, under the batch's profile, and reads the one fresh answer in every way that works here.
 * Stores nothing. Throws E_SIMULATED_MIX for an engine of the other kind, E_PIN_MISMATCH for one that is not like the
 * batch's first, what the probe throws, and E_ENGINE_UNREACHABLE when no answer came.
 */
export async function askAgain(
  stored: { file: BatchFile; row: Row; pin: Pin | null; simulated: boolean | null },
  flags: AgainFlags,
) {
  const { file, row, pin } = stored;
  const engines = await openNamedEngines({ ...flags, inFlight: 1 }, file.model);
  try {
    await refuseMix(engines, stored.simulated);
    const { profile, facts } = await engines.probe(file.profile, file.model, file.revision);
    for (const found of facts) refuseOther(pin, found, file);
    note(`asking ${engines.described}: an answer of up to ${count(profile.max_tokens)} tokens may take minutes`);
    const never = new AbortController().signal;
    const slot = await engines.pool.acquire(file.batch, never);
    try {
      const found = facts.find(({ origin }) => origin === slot.origin);
      const ways = found?.ways ?? [];
      const way: ReadWay = ways.includes("ids") ? "ids" : (ways[0] ?? "two-step");
      const server = { ...(found?.server ?? vllmForm), ...(pin?.top === undefined ? {} : { topLogprobs: pin.top }) };
      const complete = (request: EngineRequest): Promise<EngineOutcome> =>
        slot.complete(request, { signal: never, deadlineMs: askLimitMs });
      const built = buildRequest(row, { ...file, profile }, way, server);
      if (built.kind !== "ask") throw new TypeError("askAgain: this row is not asked");
      const { ids, twoStep } =
        way === "ids" && ways.includes("two-step")
          ? await askBothWays(complete, built.request, profile)
          : { ids: await askVerdict(complete, built.request, profile), twoStep: null };
      const first = answered(ids, slot.origin);
      const readings = [first, ...(twoStep === null ? [] : [answered(twoStep, slot.origin)])].map(readingOf);
      const { completion } = first;
      const verdict = first.found;
      const tell = await detokenizer(slot.origin, file.model, flags);
      const prompt = completion.promptTokenIds;
      return {
        engine: slot.origin,
        version: found?.version ?? "unknown",
        temperature: profile.sampling.temperature,
        seed: file.seed,
        prompt_tokens: completion.usage.promptTokens,
        prompt: prompt === null ? null : await tell(prompt),
        template_breach:
          prompt === null ? null : templateBreach(prompt, found?.pin.delimiters ?? [], built.request.messages),
        completion_tokens: completion.usage.completionTokens,
        finish_reason: completion.finishReason,
        status: verdict.found ? (first.read?.status ?? "no_verdict") : verdict.status,
        why: verdict.found ? (first.read?.why ?? null) : verdict.why,
        verdict_at: verdict.found ? verdict.position : null,
        tokens: await lastTokens(completion, verdict.found ? verdict.position : null, tell),
        ways,
        readings,
        others: othersOf(completion, profile),
      };
    } finally {
      slot.release();
    }
  } finally {
    await engines.close();
  }
}

export type AskedAgain = Awaited<ReturnType<typeof askAgain>>;

async function refuseMix(engines: OpenedEngines, simulated: boolean | null): Promise<void> {
  if (simulated === null) return;
  const other = (await engines.models()).find((engine) => engine.simulated !== simulated);
  if (other === undefined) return;
  throw new AssayError("E_SIMULATED_MIX", "a row of one kind of engine is never asked again on the other", {
    where: other.origin,
    expected: simulated ? "a simulated engine, as the batch's own" : "a real engine, as the batch's own",
    got: other.simulated ? "a simulated engine" : "a real engine",
    next: simulated ? "--engine sim" : "--engine URL of an engine that serves the batch's model",
  });
}

/** What another template or log-probability mode answers says nothing about the stored number. */
function refuseOther(pin: Pin | null, found: EngineFacts, { revision }: BatchFile): void {
  const differences = pin === null ? [] : pinDifferences(pin, { ...found.pin, revision });
  if (differences.length === 0) return;
  throw new AssayError("E_PIN_MISMATCH", "this engine is not like the one that began the batch", {
    where: found.origin,
    expected: differences.map(({ field, pinned }) => `${field} ${pinned}`).join(", "),
    got: differences.map(({ field, found: value }) => `${field} ${value}`).join(", "),
    next: "--engine URL of an engine like the batch's first",
  });
}

function answered(asked: Asked, origin: string): Asked & { ok: true } {
  if (asked.ok) return asked;
  const { kind, message, status } = asked.failure;
  throw new AssayError("E_ENGINE_UNREACHABLE", "the engine gave no answer to this row", {
    where: origin,
    got: `${kind.replaceAll("_", " ")}${status === null ? "" : `, HTTP ${status}`}: ${visibleText(message)}`,
  });
}

function readingOf({ way, read }: { way: ReadWay; read: VerdictRead | null }) {
  const isOk = read?.status === "ok" && read.logprobYes !== null && read.logprobNo !== null;
  return {
    way,
    logprob_yes: read?.logprobYes ?? null,
    logprob_no: read?.logprobNo ?? null,
    yes_no_mass: read?.mass ?? null,
    reward: isOk ? reward(read.logprobYes ?? Number.NaN, read.logprobNo ?? Number.NaN) : null,
  };
}

/** Of a fresh answer all is known that NVIDIA's programs look at, whatever stands last but one; null without log-probabilities. */
function othersOf(completion: Completion, profile: Profile): PolicyGiven[] | null {
  const at = completion.tokenIds === null ? null : logprobsAt(completion, completion.tokenIds.length - 2);
  if (at === null || !hasCardPolicies(profile)) return null;
  const logprobOf = (id: number): number | null =>
    [at.sampled, ...at.told].find((token) => token.id === id)?.logprob ?? null;
  const [logprobYes, logprobNo] = [logprobOf(cardIds.yes), logprobOf(cardIds.no)];
  return cardPolicies({
    answered: true,
    text: (completion.reasoning ?? "") + completion.content,
    isWhole: true,
    logprobYes,
    logprobNo,
    missing: "none",
    isSecondLast: logprobYes !== null && logprobNo !== null,
  });
}

type Tell = (ids: readonly number[]) => Promise<string | null>;

/** Ids to text by the engine itself, special tokens included; null where it does not say. */
async function detokenizer(origin: string, model: string, flags: AgainFlags): Promise<Tell> {
  // a URL may lead to the engine through a proxy's path, which its origin does not tell
  const named = flags.engine.find((url) => url !== "sim" && new URL(url).origin === origin) ?? origin;
  const base = named.replace(/\/+$/, "").replace(/\/v1$/, "");
  const key = await readEngineKey(flags.engineKeyFile);
  return async (tokens) => {
    try {
      const response = await fetch(`${base}/detokenize`, {
        method: "POST",
        headers: { "content-type": "application/json", ...(key === null ? {} : { authorization: `Bearer ${key}` }) },
        body: JSON.stringify({ model, tokens }),
        signal: AbortSignal.timeout(detokenizeLimitMs),
      });
      const { prompt } = (await response.json()) as { prompt?: unknown };
      return typeof prompt === "string" ? prompt : null;
    } catch {
      return null;
    }
  };
}

async function lastTokens({ tokenIds, logprobs, logprobsEnd }: Completion, verdictAt: number | null, tell: Tell) {
  const end = tokenIds?.length ?? logprobsEnd;
  const positions = Array.from({ length: Math.min(shownTokens, end) }, (_, i) => end - Math.min(shownTokens, end) + i);
  return Promise.all(
    positions.map(async (position) => {
      const told = logprobs?.[position - (logprobsEnd - logprobs.length)]?.sampled ?? null;
      const id = tokenIds?.[position] ?? told?.id ?? null;
      const text = (id === null ? null : await tell([id])) ?? told?.text ?? null;
      return { position, id, text, is_verdict: position === verdictAt };
    }),
  );
}

interface StoredReading {
  readonly read: string | null;
  readonly logprob_yes: number | null;
  readonly logprob_no: number | null;
  readonly yes_no_mass: number | null;
  readonly reward: number | null;
}

/** The fresh answer for people, its readings beside the stored one. */
export function againLines(again: AskedAgain, stored: StoredReading | null, text: boolean, command: string): string[] {
  const { temperature, readings, tokens } = again;
  const differs =
    temperature > 0
      ? `temperature ${temperature}: this is a fresh answer, and its reward may differ from the stored one`
      : "temperature 0: the same answer is likely, though kernels and batching may still change it";
  const missing = (["ids", "two-step"] as const).filter((way) => !readings.some((reading) => reading.way === way));
  return [
    "",
    "asked again just now",
    line("engine", `${again.engine}, version ${visibleText(again.version)}`),
    line("sampling", differs),
    line(
      "answer",
      `${count(again.completion_tokens)} tokens, finish_reason ${visibleText(again.finish_reason ?? "none")}; ${again.status}${again.why === null ? "" : `: ${again.why}`}`,
    ),
    ...(again.template_breach === null ? [] : [line("TEMPLATE", again.template_breach)]),
    line("last tokens", again.verdict_at === null ? "no verdict among them" : "the verdict is marked"),
    ...table([
      ["   ", "position", "id", "text"],
      ...tokens.map(({ position, id, text: word, is_verdict }) => [
        is_verdict ? "  >" : "   ",
        String(position),
        String(id ?? "not told"),
        word === null ? "not told" : visibleText(JSON.stringify(word)),
      ]),
    ]).map((row) => `  ${row}`),
    line("readings", "both ways of one fresh answer, and the stored one"),
    ...table([
      ["way", "logprob(Yes)", "logprob(No)", "mass", "reward"],
      ...readings.map((reading) => readingCells(reading.way, reading)),
      ...(stored === null ? [] : [readingCells(`stored${stored.read === null ? "" : `, ${stored.read}`}`, stored)]),
    ]).map((row) => `    ${row}`),
    ...missing.map((way) =>
      line("", `${way}: ${again.ways.includes(way) ? "no verdict to read" : "does not work here"}`),
    ),
    ...(again.others === null
      ? []
      : ["  others would have given, of this answer", ...policyLines(again.others, "from this answer")]),
    ...promptLines(again, text, command),
  ];
}

function readingCells(name: string, reading: Omit<StoredReading, "read">): string[] {
  const { logprob_yes, logprob_no, yes_no_mass, reward: value } = reading;
  return [
    name,
    ...[logprob_yes, logprob_no].map((logprob) => (logprob === null ? "none" : String(Number(logprob.toFixed(6))))),
    yes_no_mass === null ? "none" : String(Number(yes_no_mass.toPrecision(6))),
    value === null ? "null" : signed(value),
  ];
}

function promptLines({ prompt, prompt_tokens }: AskedAgain, text: boolean, command: string): string[] {
  const tokens = `${count(prompt_tokens)} tokens`;
  if (prompt === null) return [line("prompt", `${tokens}; the engine does not tell its text (POST /detokenize)`)];
  if (!text) return [line("prompt", `${tokens}; ${command} --text shows it as the template rendered it`)];
  return [line("prompt", `${tokens}, as the template rendered them`), ...textLines(prompt)];
}
