import { BadRecord } from "@assay/core";
import type { RawRecord } from "../importer.ts";
import { isObject } from "../raw-fields.ts";

/** A conversation as OpenAI's requests write it, in the form our records have. */
export interface OpenAiConversation {
  readonly messages: readonly unknown[];
  /** of a last message with the role principle, which the request of a principle judge has */
  readonly principle: string | null;
  /** beside their text some messages call tools, of which nothing is left here */
  readonly callsTools: boolean;
}

export const callsNotShown = "conversation with calls of tools, which are not shown to the judge";

/**
 * Messages of a chat or a Responses request: `developer` is what `system` is called today, parts of text are joined, a
 * last message of the role `principle` is the record's principle. A message that only calls tools, and images, are no text
 * that could be judged. What else is wrong is found where every record is checked. Throws BadRecord.
 */
export function openAiMessages(value: unknown, field: string): OpenAiConversation {
  if (typeof value === "string")
    return { messages: [{ role: "user", content: value }], principle: null, callsTools: false };
  if (!Array.isArray(value)) throw new BadRecord("wrong_type", field);
  const messages = value.map((message: unknown, i) => plainMessage(message, `${field}[${i}]`));
  const callsTools = value.some((message: unknown) => isObject(message) && hasCalls(message));
  const last = messages.at(-1);
  if (last?.role !== "principle" || typeof last.content !== "string") return { messages, principle: null, callsTools };
  return { messages: messages.slice(0, -1), principle: last.content, callsTools };
}

function hasCalls({ tool_calls: calls }: RawRecord): boolean {
  return Array.isArray(calls) && calls.length > 0;
}

function plainMessage(message: unknown, field: string): { role: unknown; content: unknown } {
  if (!isObject(message)) throw new BadRecord("wrong_type", field);
  // an item of a Responses request that is no message: a call of a tool, a thought
  if (message.role === undefined && message.type !== undefined) throw new BadRecord("unsupported_content", field);
  const isSilent = typeof message.content !== "string" || message.content === "";
  if (isSilent && hasCalls(message)) throw new BadRecord("unsupported_content", `${field}.tool_calls`);
  const role = message.role === "developer" ? "system" : message.role;
  return { role, content: textOfParts(message.content, `${field}.content`) };
}

const textParts: ReadonlySet<unknown> = new Set(["text", "input_text", "output_text"]);

/** Text, or parts of text joined; anything else is left as it is, for the check of every record to find. */
export function textOfParts(content: unknown, field: string): unknown {
  if (!Array.isArray(content)) return content;
  return content
    .map((part: unknown, i) => {
      const known = isObject(part) && textParts.has(part.type);
      if (!known || typeof part.text !== "string") throw new BadRecord("unsupported_content", `${field}[${i}]`);
      return part.text;
    })
    .join("");
}
