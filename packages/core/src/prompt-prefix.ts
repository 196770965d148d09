import { canonicalJson } from "./canonical-json.ts";
import type { ResponseLine } from "./row.ts";
import { sha256 } from "./sha256.ts";

/**
 * What a row's prompt begins with, as short hashes: an engine that has computed the same beginning need not compute it
 * again. Never part of a request or a key: rows are asked the same wherever they go.
 */
export interface PromptPrefix {
  /** of the conversation before the judged response; all responses to it share it */
  readonly conversation: string;
  /** of the conversation and the response; null where no other request of the line shares it */
  readonly response: string | null;
}

/** The beginning that all rows of a line share, and all samples of a row. Costs one hash over the line's texts: once a line, not once a row. */
export function promptPrefix({ messages, response, principles }: ResponseLine, samples = 1): PromptPrefix {
  const conversation = short(canonicalJson(messages));
  return { conversation, response: principles.length * samples > 1 ? short(`${conversation}\n${response}`) : null };
}

/** 64 bits: two that are equal by accident cost one look into the wrong engine's cache. */
function short(text: string): string {
  return sha256(text).slice(0, 16);
}
