import type { Generation } from "./generation.ts";
import type { ResolvedOptions } from "./options.ts";
import {
  checkWellFormed,
  type Fields,
  isFields,
  readBoolean,
  readInteger,
  readStream,
  readText,
  wrongType,
} from "./read-fields.ts";
import { readEnding, readLogprobsAsked, readSampling, refuseUnsimulated } from "./read-sampling.ts";
import { refuseField } from "./refusal.ts";
import { type ChatMessage, renderChat } from "./render-chat.ts";
import { tokenize } from "./tokenizer.ts";

/** The generation that a POST /v1/chat/completions asks for. Throws Refusal. */
export function readChat(fields: Fields, options: ResolvedOptions): Generation {
  refuseUnsimulated(fields, options);
  const asksLogprobs = readBoolean(fields, "logprobs");
  const top = readInteger(fields, "top_logprobs");
  if (top !== null && top !== 0 && !asksLogprobs)
    throw refuseField("when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs");
  const logprobs = readLogprobsAsked(fields, asksLogprobs ? (top ?? 0) : null, options);
  const sampling = readSampling(fields);
  const thinking = wantsThinking(fields);
  const promptText = renderFields(fields, true, options);
  const promptIds = tokenize(promptText);
  const maxTokens = readInteger(fields, "max_completion_tokens") ?? readInteger(fields, "max_tokens");
  return {
    path: "chat",
    promptIds,
    promptText,
    sampling,
    ending: readEnding(fields, maxTokens, promptIds.length, options.maxModelLen),
    logprobs,
    cacheSalt: readText(fields, "cache_salt"),
    show: {
      tokenIds: options.knows.returnTokenIds && readBoolean(fields, "return_token_ids"),
      tokensAsIds: readBoolean(fields, "return_tokens_as_token_ids"),
      promptText: readBoolean(fields, "return_prompt_text"),
      reasoning: fields.include_reasoning !== false,
      ...readStream(fields),
    },
    thinking,
    requestId: readText(fields, "request_id"),
  };
}

/** The conversation of a request as the template prints it. Throws Refusal. */
export function renderFields(
  fields: Fields,
  defaultGenerationPrompt: boolean,
  { knows }: Pick<ResolvedOptions, "knows">,
): string {
  const generationPrompt = fields.add_generation_prompt ?? defaultGenerationPrompt;
  return checkWellFormed(
    renderChat(readMessages(fields), {
      generationPrompt: generationPrompt === true,
      thinking: wantsThinking(fields),
      principleRole: knows.principleRole,
    }),
  );
}

function wantsThinking(fields: Fields): boolean {
  return !(isFields(fields.chat_template_kwargs) && fields.chat_template_kwargs.enable_thinking === false);
}

function readMessages(fields: Fields): ChatMessage[] {
  const { messages } = fields;
  if (!Array.isArray(messages) || messages.length === 0) throw wrongType("messages", "a list of messages");
  return messages.map((message: unknown) => {
    if (!isFields(message) || typeof message.role !== "string")
      throw wrongType("messages", "a list of messages with a role");
    return { role: message.role, content: readContent(message.content ?? "") };
  });
}

/** Null is an empty text; parts of text are joined by newlines, as vLLM does. */
function readContent(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) throw wrongType("messages.content", "a text or a list of text parts");
  return content
    .map((part: unknown) => {
      if (isFields(part) && part.type === "text" && typeof part.text === "string") return part.text;
      throw wrongType("messages.content", "a text or a list of text parts");
    })
    .join("\n");
}
