import type { Pin } from "./pin.ts";
import type { Message } from "./row.ts";

/**
 * Whether a row's text became template (P11): the special tokens that open and close turns must be as many in its
 * prompt as the template makes for these messages. Returns what is wrong in words, or null.
 */
export function templateBreach(
  promptTokenIds: readonly number[],
  delimiters: Pin["delimiters"],
  messages: readonly Pick<Message, "role">[],
): string | null {
  const turns = messages.length;
  const hasSystem = messages[0]?.role === "system";
  for (const { id, per_turn, extra, extra_system } of delimiters) {
    const expected = per_turn * turns + (hasSystem ? extra_system : extra);
    let got = 0;
    for (const token of promptTokenIds) if (token === id) got += 1;
    if (got !== expected) return `the prompt holds token ${id} ${got} times, ${turns} turns make ${expected}`;
  }
  return null;
}
