import type { BatchFile } from "./batch-file.ts";
import type { ResultRow, ResultSample } from "./result-row.ts";
import { reward } from "./reward.ts";
import type { BadLine, Row } from "./row.ts";
import type { Status } from "./status.ts";

/** What asking a row came to. Everything that was learnt is kept, also where the row failed. */
export interface RowOutcome {
  readonly status: Status;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly rowKey: string | null;
  readonly logprobYes: number | null;
  readonly logprobNo: number | null;
  readonly mass: number | null;
  readonly floored: boolean | null;
  readonly answer: string | null;
  readonly answerForm: string | null;
  readonly finishReason: string | null;
  readonly read: string | null;
  readonly neutralised: number | null;
  readonly strippedChars: number | null;
  readonly promptTokens: number | null;
  readonly cachedTokens: number | null;
  readonly completionTokens: number | null;
  readonly queueMs: number | null;
  readonly latencyMs: number | null;
  readonly attempts: number;
  /** origin of the engine that answered last */
  readonly engine: string | null;
  /** the whole generated text, cut here by the batch's rule */
  readonly text: string | null;
}

export const emptyOutcome: Omit<RowOutcome, "status"> = {
  errorCode: null,
  errorMessage: null,
  rowKey: null,
  logprobYes: null,
  logprobNo: null,
  mass: null,
  floored: null,
  answer: null,
  answerForm: null,
  finishReason: null,
  read: null,
  neutralised: null,
  strippedChars: null,
  promptTokens: null,
  cachedTokens: null,
  completionTokens: null,
  queueMs: null,
  latencyMs: null,
  attempts: 0,
  engine: null,
  text: null,
};

/** How much of a failed row's text is kept by default: the end, where the reason stands. */
const keptReasoningChars = 2_000;

/**
 * The line of the shard for one row. The reward is made here and only here, of status ok and two log-probabilities;
 * `samples` are the single answers of a row that was asked several times.
 */
export function makeResultRow(
  file: BatchFile,
  row: Row,
  outcome: RowOutcome,
  scoredAt: number,
  samples: ResultSample[] | null = null,
): ResultRow {
  const { line } = row;
  const ok = outcome.status === "ok" && outcome.logprobYes !== null && outcome.logprobNo !== null;
  if (outcome.status === "ok" && !ok)
    throw new TypeError(`makeResultRow: row ${row.rowIndex} is ok without both log-probabilities`);
  return {
    row_index: row.rowIndex,
    id: line.id,
    group: line.group,
    input: line.input,
    input_line: line.input_line,
    response_index: line.response_index,
    principle_index: row.principleIndex,
    principle: row.principle,
    row_key: outcome.rowKey,
    status: outcome.status,
    reward: ok ? reward(outcome.logprobYes ?? Number.NaN, outcome.logprobNo ?? Number.NaN) : null,
    logprob_yes: outcome.logprobYes,
    logprob_no: outcome.logprobNo,
    yes_no_mass: outcome.mass,
    floored: outcome.floored,
    // an engine's words may end in half a character, and a shard takes none: one such row would block its chunk
    answer: outcome.answer?.toWellFormed() ?? null,
    answer_form: outcome.answerForm,
    finish_reason: outcome.finishReason,
    read: outcome.read,
    neutralised: outcome.neutralised,
    stripped_chars: outcome.strippedChars,
    prompt_tokens: outcome.promptTokens,
    cached_tokens: outcome.cachedTokens,
    completion_tokens: outcome.completionTokens,
    queue_ms: outcome.queueMs,
    latency_ms: outcome.latencyMs,
    attempts: outcome.attempts,
    engine: outcome.engine,
    error_code: outcome.errorCode,
    error_message: outcome.errorMessage?.toWellFormed() ?? null,
    scored_at: scoredAt,
    source: "scored",
    model: file.model,
    batch: file.batch,
    samples,
    carried: line.carried === null ? null : JSON.stringify(line.carried),
    reasoning: keptReasoning(outcome.text, outcome.status, file.keep_reasoning),
    columns: userCells(file, line.carried),
  };
}

/** The line of the shard for a record that could not be read: it comes out, so that outputs join back line by line. */
export function makeBadRow(file: BatchFile, line: BadLine, scoredAt: number): ResultRow {
  const field = line.field === undefined ? "" : ` (${line.field})`;
  return {
    row_index: line.row_index,
    id: line.id,
    group: null,
    input: line.input,
    input_line: line.input_line,
    response_index: null,
    principle_index: null,
    principle: null,
    row_key: null,
    status: "bad_input",
    reward: null,
    logprob_yes: null,
    logprob_no: null,
    yes_no_mass: null,
    floored: null,
    answer: null,
    answer_form: null,
    finish_reason: null,
    read: null,
    neutralised: null,
    stripped_chars: null,
    prompt_tokens: null,
    cached_tokens: null,
    completion_tokens: null,
    queue_ms: null,
    latency_ms: null,
    attempts: 0,
    engine: null,
    error_code: line.bad,
    error_message: `${line.input}:${line.input_line}: ${line.bad.replaceAll("_", " ")}${field}`,
    scored_at: scoredAt,
    source: "scored",
    model: file.model,
    batch: file.batch,
    samples: null,
    carried: null,
    reasoning: null,
    columns: userCells(file, null),
  };
}

/** The user's typed columns of a row, from what was carried along: null where it brought none. */
export function userCells(
  file: Pick<BatchFile, "columns">,
  carried: { readonly [key: string]: unknown } | null,
): ResultRow["columns"] {
  return Object.fromEntries(
    file.columns.map(({ name }) => {
      const value = carried !== null && Object.hasOwn(carried, name) ? carried[name] : null;
      return [`in_${name}`, (value ?? null) as string | number | boolean | null];
    }),
  );
}

function keptReasoning(text: string | null, status: Status, keep: BatchFile["keep_reasoning"]): string | null {
  if (text === null || keep === "none") return null;
  if (keep === "all") return copied(text);
  return status === "ok" ? null : copied(text.slice(-keptReasoningChars));
}

/**
 * The text in memory of its own: a slice keeps the whole 100 kB answer alive until its shard is written. Well-formed:
 * the cut may fall between the two halves of one character.
 */
function copied(text: string): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(text));
}
