import { assertDepth, assertNumbers, assertText, BadRecord, canonicalJson, type Message, sha256 } from "@assay/core";
import { splitTurns } from "./split-turns.ts";

/** A prompt as a trainer logged it, and what the policy wrote. */
export interface Rollout {
  readonly messages: readonly Message[];
  readonly response: string;
  readonly note: string;
}

/**
 * Turns out of a flat prompt where a known chat template made it; else it is one user turn. What the template had
 * begun of the answer is put before the response, unless it is only the opening of a thought.
 */
export function readRollout(prompt: string, response: string): Rollout {
  const split = splitTurns(prompt);
  const last = split?.turns.at(-1);
  // a prompt asks for an answer: another end is no rendered prompt
  if (split === null || last === undefined || split.turns.length < 2 || last.role !== "assistant")
    return { messages: [{ role: "user", content: prompt }], response, note: oneUserTurn };
  const begun = /^\s*(?:<think>\s*(?:<\/think>\s*)?)?$/.test(last.content) ? "" : last.content;
  return {
    messages: split.turns.slice(0, -1),
    response: `${begun}${response}`,
    note: `flat prompt read as turns of ${split.template}`,
  };
}

export const oneUserTurn = "flat prompt of no known template read as one user turn";

/**
 * A GRPO group is a prompt within one step: later steps ask the same prompts of another policy. Throws BadRecord for a
 * step that is no scalar, and for messages that JSON could not hold again.
 */
export function stepGroup(step: unknown, messages: readonly Message[]): string {
  if (typeof step === "object" && step !== null) throw new BadRecord("wrong_type", "step");
  assertDepth(messages, "prompt");
  assertText(messages, "prompt");
  assertNumbers(messages, "prompt");
  return `${String(step)}:${sha256(canonicalJson(messages)).slice(0, 16)}`;
}
