import type { BatchFile } from "./batch-file.ts";
import { buildRequest } from "./build-request.ts";
import { cardPolicies, hasCardPolicies, seenAnswer } from "./card-policies.ts";
import { combineSamples, defaultCombine } from "./combine-samples.ts";
import { curlCommand } from "./curl-command.ts";
import { AssayError } from "./error.ts";
import type { Profile } from "./profile.ts";
import { type ReadWay, readWays, type ServerForm } from "./read-way.ts";
import { chatBody } from "./request-body.ts";
import type { ResultRow } from "./result-row.ts";
import { rewardArithmetic } from "./reward-arithmetic.ts";
import { isBadLine, type Row, type RowsLine, rowsOf } from "./row.ts";
import { statusMeanings } from "./status-meaning.ts";

/** A row as the store has it: what it asks, and its line of the shard where there is one. */
export interface StoredRow {
  readonly file: BatchFile;
  readonly chunk: number;
  readonly line: RowsLine;
  /** null for a record that could not be read */
  readonly row: Row | null;
  /** null while its chunk has no shard */
  readonly result: ResultRow | null;
  /** null where no worker has begun the batch */
  readonly simulated: boolean | null;
  /** what the batch's servers take, from pin.json */
  readonly server: ServerForm;
}

/** The row of a chunk's lines that has this number. Throws E_BROKEN when none has. */
export function lineOfRow(lines: readonly RowsLine[], rowIndex: number): { line: RowsLine; row: Row | null } {
  for (const line of lines) {
    if (isBadLine(line)) {
      if (line.row_index === rowIndex) return { line, row: null };
      continue;
    }
    const row = rowsOf(line).find((one) => one.rowIndex === rowIndex);
    if (row !== undefined) return { line, row };
  }
  throw new AssayError("E_BROKEN", "a chunk's rows lack a row of the plan", { where: `row ${rowIndex}` });
}

export interface ExplainOptions {
  /** conversation, response, whole reasoning and the request as curl: nothing of a prompt is shown without */
  readonly text: boolean;
  /** an engine's URL for the curl; null = the one that answered, or the word ENGINE */
  readonly url: string | null;
  readonly hasKey: boolean;
}

/** Of the reasoning so much without --text: enough for its last sentence and the verdict. */
const shownTailChars = 400;

/** All that one row's number rests on, from the store alone: the object of `--json`. Pure. */
export function explainRow(stored: StoredRow, options: ExplainOptions) {
  const { file, chunk, line, row, result } = stored;
  return {
    batch: file.batch,
    rows: file.counts.rows,
    row_index: row?.rowIndex ?? line.row_index,
    id: line.id,
    input: line.input,
    input_line: line.input_line,
    group: isBadLine(line) ? null : line.group,
    response_index: isBadLine(line) ? null : line.response_index,
    principle_index: row?.principleIndex ?? null,
    chunk,
    model: file.model,
    revision: file.revision,
    profile: file.profile.name,
    simulated: stored.simulated,
    asks: row === null ? null : asks(row, options.text),
    request: row === null ? null : request(stored, row, options),
    result: result === null ? null : resultOf(result, file.profile),
    samples: result === null ? null : samplesOf(result, file.profile),
    /** null also for several samples: those programs judge one answer */
    others:
      result === null || result.samples !== null || !hasCardPolicies(file.profile)
        ? null
        : cardPolicies(seenAnswer(result, file.keep_reasoning)),
    reasoning: result === null ? null : reasoningOf(result, file, options.text),
  };
}

export type Explanation = ReturnType<typeof explainRow>;

function asks(row: Row, text: boolean) {
  const { messages, response } = row.line;
  return {
    principle: row.principle,
    turns: messages.length,
    conversation_chars: messages.reduce((sum, { content }) => sum + content.length, 0),
    response_chars: response.length,
    ...(text ? { messages, response } : {}),
  };
}

/** The first request, made anew from the stored row: the same row_key says that it is the one that was asked. */
function request(stored: StoredRow, row: Row, options: ExplainOptions) {
  const { file, result } = stored;
  const { profile } = file;
  const way = wayOf(result, profile);
  const resolved = profile.verdict.forms.every(({ yes_id, no_id }) => yes_id !== null && no_id !== null);
  // ids that the probe found are not stored: such a profile is built as if it asked for none
  const buildable = resolved
    ? profile
    : { ...profile, verdict: { ...profile.verdict, position: "last-after-anchor" as const } };
  const withoutIds = way === "top" ? way : "two-step";
  const built = buildRequest(row, { ...file, profile: buildable }, resolved ? way : withoutIds, stored.server);
  const path = stored.server.rendered === "plain" ? "/v1/completions" : "/v1/chat/completions";
  const url = `${options.url ?? result?.engine ?? "ENGINE"}${path}`;
  const asked = built.kind === "ask";
  const rowKey = asked ? built.rowKey : null;
  const idsLeftOut = asked && !resolved && way === "ids";
  return {
    url,
    unasked: asked ? null : { status: built.status, why: built.why },
    way,
    requests: asked && way === "two-step" && profile.verdict.position !== "first" ? 2 : asked ? 1 : 0,
    sampling: profile.sampling,
    max_tokens: profile.max_tokens,
    seed: file.seed,
    row_key: rowKey,
    stored_row_key: result?.row_key ?? null,
    /** null: nothing is stored to compare with */
    row_key_is_stored: result === null || neverBuilt(result) ? null : result.row_key === rowKey,
    neutralised: built.neutralised,
    stripped_chars: asked ? built.strippedChars : null,
    ids_left_out: idsLeftOut,
    has_key: options.hasKey,
    ...(options.text && asked
      ? {
          curl: curlCommand(
            url,
            {
              ...chatBody(built.request),
              ...(idsLeftOut ? { logprobs: true, top_logprobs: 20 } : {}),
            },
            options.hasKey,
          ),
        }
      : {}),
  };
}

/** What was put aside before it was asked has no key. */
function neverBuilt({ row_key, status }: ResultRow): boolean {
  return row_key === null && status === "quarantined";
}

/** The way that the row was read in, else the profile's own. */
function wayOf(result: ResultRow | null, profile: Profile): ReadWay {
  return readWays.find((way) => way === result?.read) ?? profile.verdict.read;
}

function resultOf(result: ResultRow, profile: Profile) {
  const form = profile.verdict.forms.find(({ yes }) => yes === result.answer_form) ?? null;
  const { logprob_yes: yes, logprob_no: no } = result;
  const arithmetic = yes === null || no === null ? null : rewardArithmetic(yes, no);
  return {
    status: result.status,
    ...statusMeanings[result.status],
    error_code: result.error_code,
    error_message: result.error_message,
    reward: result.reward,
    logprob_yes: yes,
    logprob_no: no,
    yes_no_mass: result.yes_no_mass,
    min_mass: profile.verdict.min_mass,
    floored: result.floored,
    answer: result.answer,
    answer_form: result.answer_form,
    /** null: all forms are summed, or the ids are the engine's own, found by the probe */
    yes: form === null ? null : { word: form.yes, id: form.yes_id },
    no: form === null ? null : { word: form.no, id: form.no_id },
    clipped: arithmetic?.clipped ?? [],
    /** of a row without a reward too, for those who would apply a rule of their own */
    arithmetic: arithmetic?.lines ?? null,
    reward_is_arithmetic: result.reward === null ? null : result.reward === arithmetic?.reward,
    read: result.read,
    finish_reason: result.finish_reason,
    prompt_tokens: result.prompt_tokens,
    cached_tokens: result.cached_tokens,
    completion_tokens: result.completion_tokens,
    engine: result.engine,
    attempts: result.attempts,
    queue_ms: result.queue_ms,
    latency_ms: result.latency_ms,
    scored_at: new Date(result.scored_at).toISOString(),
    source: result.source,
  };
}

/** The single answers and whether the row is what the profile's rule makes of them; null for a row asked once. */
function samplesOf({ samples, ...row }: ResultRow, { combine = defaultCombine }: Profile) {
  if (samples === null) return null;
  const combined = combineSamples(samples, combine);
  return {
    combine,
    asked: samples.length,
    ok: samples.filter(({ status }) => status === "ok").length,
    combined_is_stored:
      combined.status === row.status &&
      combined.logprobYes === row.logprob_yes &&
      combined.logprobNo === row.logprob_no &&
      combined.mass === row.yes_no_mass,
    each: samples,
  };
}

function reasoningOf({ reasoning }: ResultRow, file: BatchFile, text: boolean) {
  return {
    keep: file.keep_reasoning,
    kept_chars: reasoning?.length ?? 0,
    end: reasoning === null ? null : text ? reasoning : reasoning.slice(-shownTailChars).toWellFormed(),
  };
}
