import type { Ending } from "./generate-answer.ts";
import type { ResolvedOptions } from "./options.ts";
import { type Fields, isFields, readBoolean, readIds, readInteger, readNumber, wrongType } from "./read-fields.ts";
import { Refusal, refuseField } from "./refusal.ts";
import type { Sampling } from "./sample-token.ts";
import type { LogprobsAsked } from "./tell-logprobs.ts";
import { vocabularySize } from "./vocabulary.ts";

/** The checkpoint's generation_config (Qwen3's thinking defaults): what stands for a field that was left out. */
const checkpointDefaults = { temperature: 0.6, top_k: 20, top_p: 0.95 };

/** Throws Refusal 400 with vLLM's words and field names. */
export function readSampling(fields: Fields): Sampling {
  const temperature = readNumber(fields, "temperature") ?? checkpointDefaults.temperature;
  if (temperature < 0)
    throw refuseField(
      `temperature must be non-negative, got ${pythonFloat(temperature)}.`,
      "temperature",
      pythonFloat(temperature),
    );
  const topP = readNumber(fields, "top_p") ?? checkpointDefaults.top_p;
  if (!(topP > 0 && topP <= 1))
    throw refuseField(`top_p must be in (0, 1], got ${pythonFloat(topP)}.`, "top_p", pythonFloat(topP));
  const topK = readInteger(fields, "top_k") ?? checkpointDefaults.top_k;
  if (topK < -1) throw refuseField(`top_k must be 0 (disable), or at least 1, got ${topK}.`, "top_k", topK);
  const minP = readNumber(fields, "min_p") ?? 0;
  if (!(minP >= 0 && minP <= 1))
    throw refuseField(`min_p must be in [0, 1], got ${pythonFloat(minP)}.`, "min_p", pythonFloat(minP));
  return {
    temperature,
    topK,
    topP,
    minP,
    seed: readInteger(fields, "seed"),
    logitBias: readLogitBias(fields),
    allowed: readIds(fields, "allowed_token_ids"),
  };
}

/** `promptLength` in tokens. Throws Refusal 400 where prompt and answer cannot fit into `maxModelLen`. */
export function readEnding(
  fields: Fields,
  maxTokens: number | null,
  promptLength: number,
  maxModelLen: number,
): Ending {
  if (maxTokens !== null && maxTokens < 1)
    throw refuseField(`max_tokens must be at least 1, got ${maxTokens}.`, "max_tokens", maxTokens);
  if (maxTokens !== null && maxTokens > maxModelLen) {
    throw refuseField(
      `max_tokens=${maxTokens} cannot be greater than max_model_len=${maxModelLen}. Please request fewer output tokens.`,
      "max_tokens",
      maxTokens,
    );
  }
  if (promptLength > maxModelLen) {
    // a real server stops counting one token beyond the limit
    const counted = maxModelLen + 1;
    throw refuseField(
      `This model's maximum context length is ${maxModelLen} tokens. However, your prompt contains at least ${counted} input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt.`,
      "input_tokens",
      counted,
    );
  }
  // a budget larger than the room behind the prompt shrinks to it, without a word
  const room = maxModelLen - promptLength;
  if (room < 1) throw refuseField(`max_tokens must be at least 1, got ${room}.`, "max_tokens", room);
  return {
    maxTokens: Math.min(maxTokens ?? room, room),
    stop: readStop(fields),
    ignoreEos: readBoolean(fields, "ignore_eos"),
  };
}

const maxIds = 128;

/** `top` null: no log-probabilities asked for. Throws Refusal 400 with vLLM's words. */
export function readLogprobsAsked(
  fields: Fields,
  top: number | null,
  { knows, maxLogprobs }: Pick<ResolvedOptions, "knows" | "maxLogprobs">,
): LogprobsAsked | null {
  const ids = knows.logprobTokenIds ? readIds(fields, "logprob_token_ids") : null;
  if (ids !== null && top === null)
    throw refuseField("when using `logprob_token_ids`, `logprobs` must be set to true.", "logprob_token_ids");
  if (ids !== null && ids.length > maxIds) {
    throw refuseField(
      `Requested logprob_token_ids of length ${ids.length}, which is greater than max allowed: ${maxIds}`,
      "logprob_token_ids",
      ids.length,
    );
  }
  const strange = ids?.filter((id) => id < 0 || id >= vocabularySize) ?? [];
  if (strange.length > 0) {
    const list = `[${strange.join(", ")}]`;
    throw refuseField(
      `token_id(s) ${list} in logprob_token_ids contain out-of-vocab token ids. Vocabulary size: ${vocabularySize}`,
      "logprob_token_ids",
      list,
    );
  }
  if (top !== null && top > maxLogprobs)
    throw refuseField(
      `Requested sample logprobs of ${top}, which is greater than max allowed: ${maxLogprobs}`,
      "logprobs",
      top,
    );
  if (top !== null && top < 0) throw refuseField("`logprobs` must be a non-negative value.", "logprobs", top);
  return top === null ? null : { top, ids };
}

function readLogitBias(fields: Fields): ReadonlyMap<number, number> {
  const bias = fields.logit_bias ?? {};
  if (!isFields(bias)) throw wrongType("logit_bias", "a valid dictionary");
  return new Map(
    Object.entries(bias).map(([id, value]) => {
      if (typeof value !== "number") throw wrongType(`logit_bias.${id}`, "a valid number");
      return [Number(id), value];
    }),
  );
}

function readStop(fields: Fields): string[] {
  const stop = fields.stop ?? [];
  if (typeof stop === "string") return [stop];
  if (Array.isArray(stop) && stop.every((one): one is string => typeof one === "string")) return stop;
  throw wrongType("stop", "a string or a list of strings");
}

/** What a server takes that refuses all else: the fields of OpenAI's two endpoints that a client of ours could send. */
const openaiFields = new Set(
  "model messages prompt temperature top_p max_tokens max_completion_tokens seed stop n logprobs top_logprobs logit_bias stream stream_options".split(
    " ",
  ),
);

/** Refused alike on chat and completions: what this simulator does not do, in plain words. */
export function refuseUnsimulated(fields: Fields, { knows }: Pick<ResolvedOptions, "knows">): void {
  const strange = knows.otherFields ? undefined : Object.keys(fields).find((name) => !openaiFields.has(name));
  if (strange !== undefined) throw new Refusal(400, `Unrecognized request argument supplied: ${strange}`);
  if ((fields.stream_options ?? null) !== null && !readBoolean(fields, "stream"))
    throw refuseField("Stream options can only be defined when `stream=True`.", "stream_options");
  if ((readInteger(fields, "n") ?? 1) !== 1) throw new Refusal(400, "The simulator gives one answer a request.", "n");
}

/** Python prints -1.0 where JavaScript prints -1. */
function pythonFloat(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}
