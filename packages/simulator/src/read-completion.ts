import type { Generation } from "./generation.ts";
import type { ResolvedOptions } from "./options.ts";
import {
  checkWellFormed,
  type Fields,
  isIds,
  readBoolean,
  readInteger,
  readStream,
  readText,
  wrongType,
} from "./read-fields.ts";
import { readEnding, readLogprobsAsked, readSampling, refuseUnsimulated } from "./read-sampling.ts";
import { Refusal } from "./refusal.ts";
import { tokenize } from "./tokenizer.ts";
import { vocabularySize } from "./vocabulary.ts";

/** What a completion gets that names no limit. */
const defaultMaxTokens = 16;

/** The generation that a POST /v1/completions asks for: one prompt, as text or as token ids. Throws Refusal. */
export function readCompletion(fields: Fields, options: ResolvedOptions): Generation {
  refuseUnsimulated(fields, options);
  const logprobs = readLogprobsAsked(fields, readInteger(fields, "logprobs"), options);
  const sampling = readSampling(fields);
  const { text, ids } = readPromptField(fields.prompt);
  return {
    path: "completion",
    promptIds: ids,
    promptText: text,
    sampling,
    ending: readEnding(fields, readInteger(fields, "max_tokens") ?? defaultMaxTokens, ids.length, options.maxModelLen),
    logprobs,
    cacheSalt: readText(fields, "cache_salt"),
    show: {
      tokenIds: options.knows.returnTokenIds && readBoolean(fields, "return_token_ids"),
      tokensAsIds: readBoolean(fields, "return_tokens_as_token_ids"),
      promptText: false,
      reasoning: true,
      ...readStream(fields),
    },
    thinking: true,
    requestId: readText(fields, "request_id"),
  };
}

function readPromptField(prompt: unknown): { text: string | null; ids: number[] } {
  const only: unknown = Array.isArray(prompt) && prompt.length === 1 && !isIds(prompt) ? prompt[0] : prompt;
  if (typeof only === "string") return { text: only, ids: tokenize(checkWellFormed(only)) };
  if (!isIds(only))
    throw wrongType("prompt", "one text or one list of token ids (the simulator takes one prompt a request)");
  if (only.length === 0) throw new Refusal(400, "The decoder prompt cannot be empty");
  const strange = only.find((id) => id < 0 || id >= vocabularySize);
  if (strange !== undefined) throw new Refusal(400, `Token id ${strange} is out of vocabulary`);
  return { text: null, ids: only };
}
