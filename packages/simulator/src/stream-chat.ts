import { type AnswerStamp, chatEntry, chatUsage } from "./answer-body.ts";
import type { Engine } from "./engine.ts";
import { answerText } from "./generate-answer.ts";
import type { Generation, Written } from "./generation.ts";
import type { ResolvedOptions } from "./options.ts";
import { splitReasoning } from "./split-reasoning.ts";

/** How often what was written meanwhile is sent. */
const everyMs = 10;
/** Events that one look makes at most: vLLM, too, puts several tokens into one when it has written them at once. */
const mostEvents = 4;

/**
 * A chat answer in pieces, event for event as a real vLLM 0.32 sends it: nothing while the row waits, then the prompt's
 * ids, then what is written as it is written. `send` gets whole events.
 */
export async function streamChat(
  { options, engine }: { readonly options: ResolvedOptions; readonly engine: Engine },
  generation: Generation,
  stamp: AnswerStamp,
  signal: AbortSignal,
  send: (text: string) => void,
): Promise<void> {
  const { show } = generation;
  let sent = 0;
  let shown: Parts = { reasoning: "", content: "" };

  const event = (choices: readonly object[], more: object = {}): void => {
    const head = { id: `chatcmpl-${stamp.id}`, object: "chat.completion.chunk", created: stamp.created };
    send(`data: ${JSON.stringify({ ...head, model: options.model, choices, ...more })}\n\n`);
  };

  function begin(): void {
    const choice = { index: 0, delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null };
    event([choice], {
      prompt_token_ids: show.tokenIds ? generation.promptIds : null,
      prompt_text: show.promptText ? generation.promptText : null,
    });
  }

  function tokensUntil(end: number, { answer, told }: Written): void {
    const isLast = end === answer.ids.length;
    const parts = partsOf(isLast ? answer.text : answerText(answer.ids.slice(0, end)).replace(/\uFFFD+$/, ""), end);
    const delta = {
      ...(parts.content.length > shown.content.length || isLast
        ? { content: parts.content.slice(shown.content.length) }
        : {}),
      ...(parts.reasoning.length > shown.reasoning.length
        ? { reasoning: parts.reasoning.slice(shown.reasoning.length) }
        : {}),
    };
    event([
      {
        index: 0,
        delta,
        logprobs: told === null ? null : { content: told.slice(sent, end).map((list) => chatEntry(list, generation)) },
        finish_reason: isLast ? answer.finishReason : null,
        ...(isLast ? { stop_reason: answer.stopReason } : {}),
        token_ids: show.tokenIds ? answer.ids.slice(sent, end) : null,
      },
    ]);
    sent = end;
    shown = parts;

    function partsOf(text: string, ids: number): Parts {
      if (!options.reasoningParser) return { reasoning: "", content: text };
      const split = splitReasoning({ ...answer, ids: answer.ids.slice(0, ids), text }, generation.thinking);
      return { reasoning: split.reasoning ?? "", content: split.content ?? "" };
    }
  }

  function sendUntil(end: number, written: Written): void {
    if (end > sent && sent === 0) begin();
    const step = Math.ceil((end - sent) / mostEvents);
    while (sent < end) tokensUntil(Math.min(end, sent + step), written);
  }

  let timer: NodeJS.Timeout | undefined;
  const generated = await engine.generate(generation, signal, (written, count) => {
    // the last token comes with the end
    timer = setInterval(() => sendUntil(Math.min(count(), written.answer.ids.length - 1), written), everyMs);
  });
  clearInterval(timer);
  if (generated === null) return;
  if (generated === "dead") {
    const message = "EngineCore encountered an issue. See stack trace (above) for the root cause.";
    send(`data: ${JSON.stringify({ error: { message, type: "InternalServerError", param: null, code: 500 } })}\n\n`);
  } else {
    sendUntil(generated.answer.ids.length, generated);
    if (show.usage) event([], { usage: chatUsage(generation, generated, options) });
  }
  send("data: [DONE]\n\n");
}

interface Parts {
  readonly reasoning: string;
  readonly content: string;
}
