import { Refusal } from "./refusal.ts";

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

/**
 * The chat template: Qwen3's turns, with a role `principle` that must come last, as the recorded toy judge has it. The
 * text of the turns is not escaped: a special string inside it becomes a special token, as on a real server. Earlier
 * thinking is taken out of assistant turns. Throws Refusal with the template's own words.
 */
export function renderChat(
  messages: readonly ChatMessage[],
  options: { readonly generationPrompt: boolean; readonly thinking: boolean; readonly principleRole: boolean },
): string {
  const turns = messages.map(({ role, content }, i) => {
    if (role === "principle" && !options.principleRole) throw new Refusal(400, "Unexpected role: principle");
    if (role === "principle" && i < messages.length - 1) throw new Refusal(400, "principle must come last");
    return `<|im_start|>${role}\n${role === "assistant" ? withoutThinking(content) : content}<|im_end|>\n`;
  });
  if (!options.generationPrompt) return turns.join("");
  return `${turns.join("")}<|im_start|>assistant\n${options.thinking ? "" : "<think>\n\n</think>\n\n"}`;
}

/** What stands behind the last `</think>`, without leading newlines; the toy judge's template strips them always. */
function withoutThinking(content: string): string {
  return (content.split("</think>").at(-1) ?? "").replace(/^\n+/, "");
}
