import { type AnswerStamp, completionLogprobs, completionUsage } from "./answer-body.ts";
import { textUntil } from "./generate-answer.ts";
import type { Generation } from "./generation.ts";
import type { ResolvedOptions } from "./options.ts";
import type { StreamPieces } from "./stream-pieces.ts";

/** The stream of POST /v1/completions: the prompt's ids stand with the first tokens. */
export function completionPieces(options: ResolvedOptions, generation: Generation, stamp: AnswerStamp): StreamPieces {
  const { show } = generation;
  let shown = 0;
  let offset = 0;

  return {
    head: { id: `cmpl-${stamp.id}`, object: "text_completion" },
    opening: () => null,

    tokens(from, end, { answer, told }) {
      const isLast = end === answer.ids.length;
      const text = textUntil(answer, end);
      const logprobs = told === null ? null : completionLogprobs(told.slice(from, end), generation, offset);
      offset = (logprobs?.text_offset.at(-1) ?? 0) + (logprobs?.tokens.at(-1)?.length ?? 0);
      const choice = {
        index: 0,
        text: text.slice(shown),
        logprobs,
        finish_reason: isLast ? answer.finishReason : null,
        stop_reason: isLast ? answer.stopReason : null,
        prompt_token_ids: show.tokenIds && from === 0 ? generation.promptIds : null,
        token_ids: show.tokenIds ? answer.ids.slice(from, end) : null,
      };
      shown = text.length;
      return { choices: [choice] };
    },

    usage: (generated) => completionUsage(generation, generated, options),
  };
}
