import { type Profile, type ReadWay, type ServerForm, vllmForm } from "@assay/core";
import { fixedRow, type RenderedHere } from "./check-rendering.ts";
import { describeWay } from "./describe-way.ts";
import type { Fail, Pass } from "./engine-check.ts";
import type { EngineClient } from "./engine-client.ts";
import { probeRawLogprobs, probeRawTop } from "./probe-raw.ts";
import { greedyRequest, probeReading, type ReadingFound } from "./probe-reading.ts";

export interface ReadHere {
  readonly ways: readonly ReadWay[];
  readonly server: ServerForm;
  readonly logprobs: "raw" | "processed";
  readonly reading: ReadingFound;
}

/** Which ways of reading work, whether their numbers are the model's own, and the golden pair. */
export async function checkReading(
  client: EngineClient,
  model: string,
  profile: Profile,
  { rendered, prompt }: RenderedHere,
  signal: AbortSignal,
  pass: Pass,
  fail: Fail,
): Promise<ReadHere> {
  const { verdict, sampling } = profile;
  const pair = firstPair(profile);
  const exactRaw =
    prompt.ids === null || pair === null ? null : await probeRawLogprobs(client, model, prompt.ids, pair);
  const reading = await probeReading(client, model, profile, { ...vllmForm, rendered }, signal);
  const { server } = reading;
  const exact = reading.ways.includes("top") ? null : exactRaw;
  const raw = exact ?? (await probeRawTop(client, greedyRequest(model, profile, fixedRow, "top", server)));
  pass(
    "log-probabilities",
    raw === null ? "not told for one place twice" : `${raw.raw ? "raw" : "processed"}: ${raw.words}`,
  );
  // a read at temperature 0 is right even where log-probabilities are scaled, one at the sampling's is not; a penalty
  // moves those of a greedy token, too, and the second of two steps has none
  const isNeutral = sampling.temperature === 0 && sampling.repetition_penalty === 1;
  const isRight = (way: ReadWay): boolean => way === "two-step" || raw?.raw !== false || isNeutral;
  const ways = reading.ways.filter((way) => isRight(way) && (verdict.insist !== true || way === verdict.read));
  const [way] = ways;
  if (way === undefined) {
    if (reading.truncated) {
      return fail(
        "reading the verdict",
        reading.words,
        `an answer that ends within the profile's max_tokens, ${profile.max_tokens}, and the engine's context`,
        `a larger budget, such as --set max_tokens=${2 * profile.max_tokens}; vLLM shrinks it to --max-model-len`,
      );
    }
    const scaled = reading.ways.some((one) => !isRight(one));
    return fail(
      "reading the verdict",
      `${reading.words}${scaled ? `; log-probabilities are scaled or filtered (${raw?.words})` : ""}`,
      verdict.insist === true ? `${verdict.read}, which is insisted on` : "log-probabilities of the verdict's words",
      scaled
        ? `start vLLM with --logprobs-mode raw_logprobs, or ${neutralSets(sampling)}`
        : verdict.insist === true
          ? "without --read the way that works here is chosen"
          : "vLLM 0.20 or later (return_token_ids and logprob_token_ids), or a server with top_logprobs",
    );
  }
  pass("reading the verdict", reading.words);
  pass("way", describeWay(profile, way, server));
  pass(
    "rows' prompts",
    reading.promptTold
      ? "every row's prompt comes back, and its turns are counted"
      : "do not come back: that a row's text became a turn would not be seen",
  );
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
  return { ways, server, logprobs: raw?.raw === false ? "processed" : "raw", reading };
}

/** The settings under which processed log-probabilities are the model's own. */
function neutralSets({ temperature, repetition_penalty }: Profile["sampling"]): string {
  const sets = [
    ...(temperature === 0 ? [] : ["--set temperature=0"]),
    ...(repetition_penalty === 1 ? [] : ["--set repetition_penalty=1"]),
  ];
  return sets.join(" ");
}

/** null where the ids of the words are not known. */
function firstPair(profile: Profile): [number, number] | null {
  const form = profile.verdict.forms[0];
  return form === undefined || form.yes_id === null || form.no_id === null ? null : [form.yes_id, form.no_id];
}
