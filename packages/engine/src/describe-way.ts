import type { Profile, ReadWay, ServerForm } from "@assay/core";

/** Engine tokens a second beside an engine asked for no log-probabilities (test/conformance, 16,000-token answers). */
const speed: { readonly [way in ReadWay]: string } = {
  "two-step":
    "1.00 of the engine's tokens a second (0.84 to 0.95 with its token ids), and a second request of one token",
  ids: "0.53 to 0.60 of the engine's tokens a second",
  top: "0.29 to 0.33 of the engine's tokens a second",
};
const measuredOn = "measured on vLLM 0.32, CPU build";

const names: { readonly [way in ReadWay]: string } = {
  "two-step": "two steps",
  ids: "exact ids in one request",
  top: "a list of the likeliest tokens",
};

/** For a person: how rows will be read here, why so, and what it costs. */
export function describeWay(profile: Profile, way: ReadWay, server: ServerForm): string {
  const { read, insist, position } = profile.verdict;
  const why =
    insist === true
      ? "insisted on"
      : way === read
        ? "the profile's own way"
        : `${names[read]}, the profile's own way, does not work here`;
  const list = way === "top" ? ` (top_logprobs ${server.topLogprobs})` : "";
  const limits = way === "top" ? "; a word outside the list gets a bound, and its row is floored" : "";
  const text = server.rendered === "plain" ? "; prompts are the profile's plain text on /v1/completions" : "";
  const cost = position === "first" ? "costs nothing: one token a row" : `costs: ${speed[way]} (${measuredOn})`;
  return `${names[way]}${list}: ${why}; ${cost}${limits}${text}`;
}
