import type { Answer } from "./generate-answer.ts";
import { tokens } from "./vocabulary.ts";

export interface SplitAnswer {
  readonly reasoning: string | null;
  readonly content: string | null;
  /** tokens of the thinking, without its tags */
  readonly tokens: number;
}

/**
 * What `--reasoning-parser qwen3` makes of an answer. Without `</think>` all of it is thinking, unless the template was
 * told that there is none; empty parts are null.
 */
export function splitReasoning({ ids, text }: Answer, thinking: boolean): SplitAnswer {
  const closed = text.indexOf("</think>");
  if (closed < 0 && !thinking) return { reasoning: null, content: orNull(text), tokens: 0 };
  const closedId = ids.indexOf(tokens.thinkClose);
  const thought = (closedId < 0 ? ids : ids.slice(0, closedId)).filter((id) => id !== tokens.thinkOpen);
  return {
    reasoning: orNull((closed < 0 ? text : text.slice(0, closed)).replace("<think>", "")),
    content: closed < 0 ? null : orNull(text.slice(closed + "</think>".length)),
    tokens: thought.length,
  };
}

function orNull(text: string): string | null {
  return text === "" ? null : text;
}
