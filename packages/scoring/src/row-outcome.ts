import {
  type Asked,
  type BuiltRequest,
  type EngineFailure,
  emptyOutcome,
  type RowOutcome,
  type Status,
  templateBreach,
} from "@assay/core";
import type { BatchContext } from "./batch-context.ts";

/** A row that is asked, as it is sent. */
export type AskedFor = Extract<BuiltRequest, { kind: "ask" }>;

/** What one answer says about the row; the reward itself is made from it in makeResultRow. Pure. */
export function outcomeOf(
  asked: Asked,
  built: AskedFor,
  context: BatchContext,
): Omit<RowOutcome, "queueMs" | "attempts"> {
  const own = {
    ...emptyOutcome,
    rowKey: built.rowKey,
    neutralised: built.neutralised,
    strippedChars: built.strippedChars,
  };
  if (!asked.ok) return { ...own, ...failed(asked.failure) };
  const { completion, found, read } = asked;
  const told = {
    ...own,
    finishReason: completion.finishReason,
    promptTokens: completion.usage.promptTokens,
    completionTokens: completion.usage.completionTokens,
    cachedTokens: asked.cachedTokens,
    latencyMs: Math.round(asked.latencyMs),
    text: (completion.reasoning ?? "") + completion.content,
  };
  const breach =
    completion.promptTokenIds === null
      ? null
      : templateBreach(completion.promptTokenIds, context.pin.delimiters, built.request.messages);
  if (breach !== null) return { ...told, status: "rejected", errorCode: "E_TEMPLATE_BREACH", errorMessage: breach };
  if (!found.found) return { ...told, ...because(found.status, found.why) };
  if (read === null) return { ...told, ...because("no_verdict", "nothing was read") };
  return {
    ...told,
    ...because(read.status, read.why),
    logprobYes: read.logprobYes,
    logprobNo: read.logprobNo,
    mass: read.mass,
    floored: read.floored,
    answer: found.answer,
    answerForm: read.form,
    read: asked.way,
  };
}

function because(status: Status, why: string | null): Pick<RowOutcome, "status" | "errorCode" | "errorMessage"> {
  return { status, errorCode: status === "ok" ? null : `E_${status.toUpperCase()}`, errorMessage: why };
}

function failed({ kind, message }: EngineFailure): Pick<RowOutcome, "status" | "errorCode" | "errorMessage"> {
  const status = kind === "rejected" || kind === "too_long" ? kind : "engine_error";
  return { status, errorCode: `E_${kind.toUpperCase()}`, errorMessage: message };
}

/** A row that is decided without asking. */
export function unaskedOutcome(built: Extract<BuiltRequest, { kind: "unasked" }>): RowOutcome {
  return {
    ...emptyOutcome,
    status: built.status,
    errorCode: built.errorCode,
    errorMessage: built.why,
    neutralised: built.neutralised,
  };
}
