import { type AnswerStamp, chatEntry, chatUsage } from "./answer-body.ts";
import { textUntil } from "./generate-answer.ts";
import type { Generation, Written } from "./generation.ts";
import type { ResolvedOptions } from "./options.ts";
import { splitReasoning } from "./split-reasoning.ts";
import type { StreamPieces } from "./stream-pieces.ts";

/** The stream of POST /v1/chat/completions: the prompt's ids stand in an event of their own. */
export function chatPieces(options: ResolvedOptions, generation: Generation, stamp: AnswerStamp): StreamPieces {
  const { show } = generation;
  let shown: Parts = { reasoning: "", content: "" };

  function partsOf({ answer }: Written, end: number): Parts {
    const text = textUntil(answer, end);
    if (!options.reasoningParser) return { reasoning: "", content: text };
    const split = splitReasoning({ ...answer, ids: answer.ids.slice(0, end), text }, generation.thinking);
    return { reasoning: split.reasoning ?? "", content: split.content ?? "" };
  }

  return {
    head: { id: `chatcmpl-${stamp.id}`, object: "chat.completion.chunk" },
    opening: () => ({
      choices: [{ index: 0, delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null }],
      prompt_token_ids: show.tokenIds ? generation.promptIds : null,
      prompt_text: show.promptText ? generation.promptText : null,
    }),

    tokens(from, end, written) {
      const { answer, told } = written;
      const isLast = end === answer.ids.length;
      const parts = partsOf(written, end);
      const delta = {
        ...(parts.content.length > shown.content.length || isLast
          ? { content: parts.content.slice(shown.content.length) }
          : {}),
        ...(parts.reasoning.length > shown.reasoning.length
          ? { reasoning: parts.reasoning.slice(shown.reasoning.length) }
          : {}),
      };
      shown = parts;
      const choice = {
        index: 0,
        delta,
        logprobs: told === null ? null : { content: told.slice(from, end).map((list) => chatEntry(list, generation)) },
        finish_reason: isLast ? answer.finishReason : null,
        ...(isLast ? { stop_reason: answer.stopReason } : {}),
        token_ids: show.tokenIds ? answer.ids.slice(from, end) : null,
      };
      return { choices: [choice] };
    },

    usage: (generated) => chatUsage(generation, generated, options),
  };
}

interface Parts {
  readonly reasoning: string;
  readonly content: string;
}
