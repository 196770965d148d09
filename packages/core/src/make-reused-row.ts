import type { BatchFile } from "./batch-file.ts";
import { emptyOutcome, makeResultRow } from "./make-result-row.ts";
import type { ResultRow } from "./result-row.ts";
import type { Row } from "./row.ts";

/**
 * A row's line made from the result that an earlier batch has for the same judgement: labels and columns are this
 * row's, everything that was learnt from the engine is the other's, `scored_at` included. `source` names the batch.
 * Throws TypeError when the other row is not ok or of another row_key: only what was judged may be handed on.
 */
export function makeReusedRow(file: BatchFile, row: Row, rowKey: string, from: ResultRow): ResultRow {
  if (from.status !== "ok" || from.row_key !== rowKey)
    throw new TypeError(`makeReusedRow: row ${from.row_index} of ${from.batch} is not this judgement`);
  const made = makeResultRow(
    file,
    row,
    {
      ...emptyOutcome,
      status: "ok",
      rowKey,
      logprobYes: from.logprob_yes,
      logprobNo: from.logprob_no,
      mass: from.yes_no_mass,
      floored: from.floored,
      answer: from.answer,
      answerForm: from.answer_form,
      finishReason: from.finish_reason,
      read: from.read,
      neutralised: from.neutralised,
      strippedChars: from.stripped_chars,
      promptTokens: from.prompt_tokens,
      cachedTokens: from.cached_tokens,
      completionTokens: from.completion_tokens,
      latencyMs: from.latency_ms,
      engine: from.engine,
      text: from.reasoning,
    },
    from.scored_at,
  );
  // a reward is taken over, never computed anew
  return { ...made, reward: from.reward, samples: from.samples, source: `reused:${from.batch}` };
}
