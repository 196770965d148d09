import type { BatchFile } from "./batch-file.ts";

export type StrippedResponse =
  | { readonly ok: true; readonly text: string; readonly strippedChars: number }
  | { readonly ok: false; readonly why: string };

const open = "<think>";
const close = "</think>";

/**
 * Takes the policy's own thinking out of a judged response. auto cuts after the *first* `</think>` when the
 * response begins with `<think>` or closes one that the prompt had opened; opened and never closed, or nothing behind
 * it, is no response. always also wants a `</think>` to be there: a rollout cut in its thinking has none. Never the
 * last `</think>`: a policy could write one before its best paragraph and be judged on that alone. White space after
 * the cut goes with it.
 */
export function stripReasoning(response: string, mode: BatchFile["strip"]): StrippedResponse {
  if (mode === "off") return { ok: true, text: response, strippedChars: 0 };
  const closedAt = response.indexOf(close);
  const openedAt = response.indexOf(open);
  const begins = openedAt >= 0 && response.slice(0, openedAt).trim() === "";
  if (closedAt < 0) {
    if (begins) return { ok: false, why: "the response is thinking that was never closed" };
    if (mode === "always") return { ok: false, why: "the response has no </think>: it was cut in its thinking" };
    return { ok: true, text: response, strippedChars: 0 };
  }
  const opensLater = openedAt >= 0 && !begins && openedAt < closedAt;
  if (mode === "auto" && opensLater) return { ok: true, text: response, strippedChars: 0 };
  const text = response.slice(closedAt + close.length).trimStart();
  if (text === "") return { ok: false, why: "nothing stands behind the response's thinking" };
  return { ok: true, text, strippedChars: response.length - text.length };
}
