import type { Message } from "@assay/core";

/**
 * A conversation as the text of one cell, which has one type in every file: the text of a single user turn as it is,
 * and as JSON of the messages where there are more or where the text begins with a bracket, so that no text is taken
 * for turns.
 */
export function promptText(messages: readonly Message[]): string {
  const [only] = messages;
  const isPlain = messages.length === 1 && only?.role === "user" && !only.content.startsWith("[");
  return isPlain ? only.content : JSON.stringify(messages);
}

/** What `promptText` made a text of, as a record's prompt: the text or its list of messages. Any other text is itself. */
export function readPromptText(text: string): unknown {
  if (!text.startsWith("[")) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // of an export that wrote every single turn as it was
    return text;
  }
}
