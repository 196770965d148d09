import { type Explanation, type PolicyGiven, visibleText } from "@assay/core";
import { commandLine } from "./command-line.ts";
import { copyableText } from "./copyable-text.ts";
import { count, counted, duration } from "./say.ts";
import { table } from "./table.ts";

/** The same for people. `root` is what came by flag; `asksAgain`: what is not stored follows from an engine. */
export function explanationLines(explanation: Explanation, root: string | undefined, asksAgain: boolean): string[] {
  const command = explainCommand(explanation, root);
  const { batch, row_index, rows, id, input, input_line, response_index, principle_index, chunk } = explanation;
  const place = response_index === null ? "" : `, response ${response_index}, principle ${principle_index}`;
  return [
    `${batch}  row ${row_index} of ${count(rows)}`,
    line("from", `${visibleText(input)}:${input_line}, id ${visibleText(id)}${place}; chunk ${chunk}`),
    ...(explanation.group === null ? [] : [line("group", visibleText(explanation.group))]),
    line(
      "model",
      `${explanation.model}${explanation.revision === null ? "" : `@${explanation.revision}`}, profile ${explanation.profile}`,
    ),
    ...(explanation.simulated === true ? [line("simulated", "this reward is no judgement")] : []),
    ...askLines(explanation, command),
    ...resultLines(explanation, root, asksAgain),
    ...sampleLines(explanation),
    ...otherLines(explanation),
    ...reasoningLines(explanation, command),
    ...curlLines(explanation),
  ];
}

/** What was typed, to be typed again with a flag more. */
export function explainCommand({ batch, row_index }: Explanation, root: string | undefined): string {
  return commandLine(["explain", batch, String(row_index)], root);
}

export function line(name: string, text: string): string {
  return `  ${name.padEnd(14)}${text}`;
}

/** Text of several lines, set in, with nothing hidden. */
export function textLines(text: string): string[] {
  return text.split("\n").map((one) => `    │ ${visibleText(one.replaceAll("\t", "  "))}`);
}

function askLines({ asks, request }: Explanation, command: string): string[] {
  if (asks === null || request === null) return [];
  const { sampling } = request;
  const sampled = `temperature ${sampling.temperature}, top_p ${sampling.top_p}, top_k ${sampling.top_k}, min_p ${sampling.min_p}`;
  return [
    "",
    "what it asks",
    line("principle", visibleText(asks.principle)),
    line("conversation", `${counted(asks.turns, "turn")}, ${counted(asks.conversation_chars, "character")}`),
    line("response", counted(asks.response_chars, "character")),
    line(
      "changed",
      `${counted(request.neutralised, "special string")} broken up, ${request.stripped_chars === null ? "nothing" : counted(request.stripped_chars, "character")} of the policy's thinking cut off`,
    ),
    ...(request.unasked !== null
      ? [line("request", `none: ${request.unasked.why}`)]
      : [
          line("request", `POST ${request.url}${request.requests === 2 ? ", the first of two" : ""}`),
          line(
            "sampling",
            `${sampled}; at most ${count(request.max_tokens)} tokens, ${request.seed === null ? "no seed" : `seed ${request.seed}`}`,
          ),
        ]),
    line("row_key", keyText(request)),
    ...(asks.messages === undefined
      ? [line("texts", `${command} --text shows them, and the request as curl`)]
      : [
          ...asks.messages.flatMap(({ role, content }) => [
            line(visibleText(role), "as stored"),
            ...textLines(content),
          ]),
          line("response", "as stored"),
          ...textLines(asks.response ?? ""),
        ]),
  ];
}

function keyText({ row_key, stored_row_key, row_key_is_stored }: NonNullable<Explanation["request"]>): string {
  if (row_key_is_stored === null) return `${row_key ?? "none"}, made anew; none is stored yet`;
  if (!row_key_is_stored)
    return `NOT the stored one: ${row_key ?? "none"} made anew, ${stored_row_key ?? "none"} stored`;
  if (row_key === null) return "none, as stored: the row was not asked";
  return `${row_key}, made anew: the stored one`;
}

function resultLines(explanation: Explanation, root: string | undefined, asksAgain: boolean): string[] {
  const { batch, result, samples } = explanation;
  if (result === null)
    return [
      "",
      "what came of it",
      line("status", "not scored yet: its chunk has no shard"),
      line("next", `${commandLine(["status", batch], root)} says how far it is`),
    ];
  const took = result.latency_ms === null ? "" : `, ${duration(result.latency_ms / 1_000)}`;
  const waited = result.queue_ms === null ? "" : ` after ${duration(result.queue_ms / 1_000)} in the queue`;
  return [
    "",
    "what came of it",
    line("status", `${result.status}: ${result.means}`),
    ...(result.error_code === null
      ? []
      : [line("error", `${result.error_code}  ${visibleText(result.error_message ?? "")}`)]),
    ...(result.status === "ok" ? [] : [line("next", copyableText(result.next.replace("BATCH", batch), root))]),
    ...(result.finish_reason === null ? [] : [line("finish_reason", visibleText(result.finish_reason))]),
    ...(result.completion_tokens === null ? [] : [line("tokens", tokensText(result, samples !== null))]),
    line(
      "engine",
      `${result.engine ?? "none"}; ${result.scored_at}${took}${waited}${result.attempts === null ? "" : `, ${counted(result.attempts, "attempt")}`}`,
    ),
    ...rewardLines(result, explanation.request?.sampling.temperature ?? 0, explanation.samples !== null),
    ...(asksAgain || result.completion_tokens === null
      ? []
      : [
          line(
            "last tokens",
            `their ids are not stored; ${explainCommand(explanation, root)} --engine URL asks again and shows them`,
          ),
        ]),
  ];
}

type Result = NonNullable<Explanation["result"]>;

/** In two steps the prompt that is counted is the first request's, and what was cached the second one's. */
function tokensText({ read, prompt_tokens, cached_tokens, completion_tokens }: Result, isOfSamples: boolean): string {
  const [prompt, written] = [`${count(prompt_tokens ?? 0)} in`, `${count(completion_tokens ?? 0)} out`];
  if (cached_tokens === null) return `${prompt}, ${written}`;
  const cached = `${count(cached_tokens)} cached`;
  if (read === "ids" || read === "top") return `${prompt} (${cached}), ${written}`;
  const request = isOfSamples ? "requests" : "request";
  const which = read === "two-step" ? `second ${request}, of prompt and answer` : `last ${request}`;
  return `${prompt}, ${written}; ${cached} in the ${which}`;
}

function rewardLines(result: Result, temperature: number, isOfSamples: boolean): string[] {
  const { arithmetic, yes, no, answer } = result;
  if (arithmetic === null) return [];
  const [formula, ...steps] = arithmetic;
  return [
    "",
    result.reward === null ? "what was read, without a reward" : "the reward",
    ...(answer === null
      ? []
      : [line("answer", `${JSON.stringify(visibleText(answer))}${unlikely(result, temperature)}`)]),
    line("logprob(Yes)", `${result.logprob_yes}  ${wordText(yes, isOfSamples)}`),
    line("logprob(No)", `${result.logprob_no}  ${wordText(no, isOfSamples)}`),
    ...(result.floored === true
      ? [line("floored", "the lesser of the two is a bound: the server did not list it")]
      : []),
    line("reward", `= ${formula}`),
    ...steps.map((step) => line("", `= ${step}`)),
    line("", clipText(result)),
    line(
      "mass",
      `${result.yes_no_mass ?? "not known"} of the probability is on the two (at least ${result.min_mass} is wanted)`,
    ),
    line("read", readText(result.read)),
  ];
}

function wordText(word: Result["yes"], isOfSamples: boolean): string {
  if (word === null && isOfSamples) return "in the forms that the samples wrote";
  if (word === null) return "summed over every form of the word";
  return `${JSON.stringify(word.word)}, id ${word.id ?? "of the engine's own tokenizer"}`;
}

function clipText({ clipped, reward, reward_is_arithmetic }: Result): string {
  const clip =
    clipped.length === 0 ? "neither is under -50: nothing is clipped" : `clipped at -50: ${clipped.join(" and ")}`;
  if (reward === null) return `${clip}; the status is not ok, so the reward is null`;
  return `${clip}; ${reward_is_arithmetic === true ? "the stored reward" : `NOT the stored reward, ${reward}`}`;
}

/** At a temperature the less likely word may be sampled: answer and reward disagree, and both are right. */
function unlikely({ answer, yes, no, logprob_yes, logprob_no }: Result, temperature: number): string {
  const likelier = (logprob_yes ?? 0) > (logprob_no ?? 0) ? yes : no;
  if (likelier === null || answer === likelier.word || logprob_yes === logprob_no) return "";
  return `, though ${JSON.stringify(likelier.word)} was likelier: at temperature ${temperature} that happens`;
}

function readText(read: string | null): string {
  if (read === "two-step") return "two-step: the answer first, then one token on exactly its ids before the verdict";
  if (read === "ids") return "ids: one request that names the ids of every form of Yes and No";
  if (read === "top")
    return "top: one request with a list of the likeliest tokens; a word that is not in it has a bound";
  return read === null ? "nothing was read" : visibleText(read);
}

function sampleLines({ samples }: Explanation): string[] {
  if (samples === null) return [];
  const { combine, asked, ok, each } = samples;
  const number = (value: number | null): string => (value === null ? "none" : String(Number(value.toFixed(6))));
  const rows = each.map((sample, i) => [
    String(i),
    sample.status,
    number(sample.logprob_yes),
    number(sample.logprob_no),
    sample.reward === null ? "null" : signed(sample.reward),
    sample.answer === null ? "none" : visibleText(JSON.stringify(sample.answer)),
    sample.completion_tokens === null ? "none" : count(sample.completion_tokens),
    sample.seed === null ? "none" : String(sample.seed),
  ]);
  return [
    "",
    "its samples",
    line("combined", `${combineWords[combine]} (${combine}); ${ok} of ${asked} are ok, more than half must be`),
    line("", `${samples.combined_is_stored ? "the stored row" : "NOT the stored row"} when combined anew`),
    ...table([["sample", "status", "logprob(Yes)", "logprob(No)", "reward", "answer", "tokens", "seed"], ...rows]).map(
      (row) => `    ${row}`,
    ),
  ];
}

const combineWords = {
  "mean-margin": "the pair above is the mean of the samples' pairs, clipped at -50",
  "mean-p-yes": "the pair above is the logarithm of the mean probability of Yes and of No, between the two words",
  majority: "the pair above is the mean of the pairs on the side that most samples are on",
} as const;

function otherLines({ result, samples, others, profile }: Explanation): string[] {
  if (result === null) return [];
  if (samples !== null)
    return [
      "",
      "others would have given",
      line("NVIDIA", `nothing: its programs read one answer, and this row has ${samples.asked}`),
    ];
  if (others === null)
    return [
      "",
      "others would have given",
      line("NVIDIA", `nothing: its programs read another model than those of profile ${profile}`),
    ];
  return [
    "",
    "others would have given",
    ...policyLines(others, "from what is stored"),
    line("", "The model card's own snippet reads scores after the sampling's filters: mostly 50 or -50."),
  ];
}

export function policyLines(given: readonly PolicyGiven[], from: string): string[] {
  return given.flatMap(({ policy, source, outcomes, unknown }) => [
    line("NVIDIA", `${policy} (${source})`),
    ...outcomes.map(({ reward, when }) =>
      line("", `  ${signed(reward)}${when.length === 0 ? "" : ` if ${when.join(", and ")}`}`),
    ),
    ...(unknown === null ? [] : [line("", `  ${outcomes.length === 0 ? "" : "else "}not known ${from}: ${unknown}`)]),
  ]);
}

export function signed(value: number): string {
  return `${value > 0 ? "+" : ""}${Number(value.toFixed(4))}`;
}

function reasoningLines({ result, reasoning }: Explanation, command: string): string[] {
  if (reasoning === null || result?.completion_tokens == null) return [];
  const head = ["", "the end of the reasoning"];
  if (reasoning.end === null) {
    const rule = reasoning.keep === "none" ? "this batch keeps none" : "this batch keeps it of failed rows alone";
    return [...head, line("not kept", `${rule}; --keep-reasoning all keeps it, given when a batch is first submitted`)];
  }
  const isAll = reasoning.end.length === reasoning.kept_chars;
  return [
    ...head,
    line(
      "kept",
      `${counted(reasoning.kept_chars, "character")}${isAll ? "" : `, the last ${reasoning.end.length} of them here; ${command} --text shows all`}`,
    ),
    ...textLines(reasoning.end),
  ];
}

function curlLines({ request, simulated, model }: Explanation): string[] {
  if (request?.curl === undefined) return [];
  return [
    "",
    `the ${request.requests === 2 ? "first " : ""}request, for a shell`,
    ...(request.ids_left_out
      ? [line("ids", "are the engine's own and not stored: the 20 likeliest tokens are asked for in their place")]
      : []),
    ...(simulated === true
      ? [
          line(
            "engine",
            `simulated, and gone with its process; ${commandLine(["sim", "--model", model], undefined)} starts another and prints its URL`,
          ),
        ]
      : []),
    ...(request.has_key
      ? []
      : [line("key", 'where the engine wants one: -H "Authorization: Bearer $ASSAY_ENGINE_KEY"')]),
    ...request.curl,
  ];
}
