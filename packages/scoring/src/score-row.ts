import {
  type Asked,
  AssayError,
  askVerdict,
  type BuiltRequest,
  buildRequest,
  type EngineFailure,
  emptyOutcome,
  makeResultRow,
  type PromptPrefix,
  type ResultRow,
  type Row,
  type RowOutcome,
  type Status,
  templateBreach,
} from "@assay/core";
import type { EnginePool, EngineSlot } from "@assay/engine";
import type { BatchContext } from "./batch-context.ts";
import type { Clock } from "./clock.ts";

export interface RowPorts {
  readonly pool: EnginePool;
  readonly clock: Clock;
  /** when the chunk began, for `queue_ms` */
  readonly startedAt: number;
  readonly signal: AbortSignal;
}

/** Failures that are the row's own: after so many it ends as `engine_error`. Deaths of engines are not counted. */
const ownAttempts = 3;
/** A row that takes longer than this is aborted, which frees its KV blocks: 16,000 tokens at 60 ms are 16 minutes. */
const chatDeadlineMs = 30 * 60_000;
const readDeadlineMs = 5 * 60_000;
/** Pauses before an engine that is busy or failed is asked again; it may say how long, but never "at once". */
const pauseMs = { first: 500, most: 15_000 } as const;

/**
 * Scores one row: a slot, one or two requests in it, the verdict, the result. A row that fails is a result, too.
 * A loaded engine is waited for, a lost one is replaced by another or waited for, and neither is charged to the row.
 * `prefix` is what its prompt shares with other rows. Rejects with E_ABORTED or E_ENGINES_FENCED only.
 */
export async function scoreRow(
  ports: RowPorts,
  context: BatchContext,
  row: Row,
  prefix?: PromptPrefix,
): Promise<ResultRow> {
  const { file } = context;
  const built = buildRequest(row, { ...file, profile: context.profile }, context.way);
  if (built.kind === "unasked") return makeResultRow(file, row, unaskedOutcome(built), ports.clock.now());

  let queueMs: number | null = null;
  let waitMs: number = pauseMs.first;
  let drawnBy = prefix;
  for (let attempts = 1; ; ) {
    const slot = await ports.pool.acquire(file.batch, ports.signal, drawnBy);
    try {
      queueMs ??= ports.clock.now() - ports.startedAt;
      const asked = await ask(ports, context, built, slot);
      const next = whatNext(asked, attempts);
      if (next === "aborted") throw new AssayError("E_ABORTED", "stopped while the row was scored");
      if (next === "elsewhere") ports.pool.fence(file.batch, slot.origin, failureWords(asked));
      if (next === "busy" || next === "again") {
        // not back to where it was refused or failed, when another has room
        drawnBy = undefined;
        // in the slot: an engine that has too much is not sent another row meanwhile
        await ports.clock.sleep(Math.max(retryAfter(asked) ?? waitMs, pauseMs.first), ports.signal);
        waitMs = Math.min(waitMs * 2, pauseMs.most);
      }
      if (next === "again") attempts += 1;
      if (next !== "done") continue;
      const outcome = { ...outcomeOf(asked, built, context), queueMs, attempts, engine: slot.origin };
      return noted(ports, context, makeResultRow(file, row, outcome, ports.clock.now()), slot.origin);
    } finally {
      slot.release();
    }
  }
}

type AskedFor = Extract<BuiltRequest, { kind: "ask" }>;

function ask(ports: RowPorts, context: BatchContext, built: AskedFor, slot: EngineSlot): Promise<Asked> {
  return askVerdict(
    (request) =>
      slot.complete(request, {
        signal: ports.signal,
        deadlineMs: request.kind === "chat" ? chatDeadlineMs : readDeadlineMs,
      }),
    built.request,
    context.profile,
    context.way,
  );
}

/** What follows an answer: nothing, or the same row once more, and on whose account. */
type Next = "done" | "again" | "busy" | "lost" | "elsewhere" | "aborted";

function whatNext(asked: Asked, attempts: number): Next {
  if (asked.ok) {
    // the engine gave the row up (a pause, a restart): asked again, but not for ever
    const givenUp = !asked.found.found && asked.found.status === "engine_error";
    return givenUp && attempts < ownAttempts ? "again" : "done";
  }
  switch (asked.failure.kind) {
    case "aborted":
      return "aborted";
    case "busy":
      return "busy";
    case "lost":
      return "lost";
    case "wrong_model":
    case "denied":
      return "elsewhere";
    case "rejected":
    case "too_long":
      return "done";
    default:
      return attempts < ownAttempts ? "again" : "done";
  }
}

function retryAfter(asked: Asked): number | null {
  return asked.ok ? null : asked.failure.retryAfterMs;
}

function failureWords(asked: Asked): string {
  return asked.ok ? "" : `the engine refuses this batch: ${asked.failure.message}`;
}

/** What one answer says about the row; the reward itself is made from it in makeResultRow. */
function outcomeOf(asked: Asked, built: AskedFor, context: BatchContext): Omit<RowOutcome, "queueMs" | "attempts"> {
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

function unaskedOutcome(built: Extract<BuiltRequest, { kind: "unasked" }>): RowOutcome {
  return {
    ...emptyOutcome,
    status: built.status,
    errorCode: built.errorCode,
    errorMessage: built.why,
    neutralised: built.neutralised,
  };
}

/** The failure budget, unless a person said that the batch's failures are to be kept. */
function noted(ports: RowPorts, context: BatchContext, row: ResultRow, origin: string): ResultRow {
  if (context.control.accept_failures) return row;
  const reason = context.watch.note(origin, row);
  if (reason !== null) ports.pool.fence(context.file.batch, origin, reason);
  return row;
}
