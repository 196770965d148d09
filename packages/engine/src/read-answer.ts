import {
  type ChatRequest,
  type Completion,
  canonicalJson,
  completionFromChat,
  completionFromText,
  type EngineOutcome,
  type EngineRequest,
} from "@assay/core";
import { cutAnswer } from "./cut-answer.ts";

/** An answer that came in pieces: its body, without the first `skipped` log-probabilities. */
export interface StreamedAnswer {
  readonly body: unknown;
  readonly skipped: number;
}

export type ReadAnswer = (
  request: EngineRequest,
  answer: Uint8Array | StreamedAnswer,
  latencyMs: number,
) => EngineOutcome;

/** One cut answer in so many is parsed whole, too, and both must say the same: the first one of every engine is. */
const checkedEvery = 1_000;
/** Longer ones are not: parsing 5 MB would stop everything else in the worker for 80 ms and more. */
const mostChecked = 1_500_000;

/**
 * Reads the bodies of one engine's answers. Long ones are cut before they are parsed; a cut that once read something
 * else than the whole body is never trusted again, and `onWarning` is told.
 */
export function createAnswerReader(onWarning: (text: string) => void): ReadAnswer {
  let cuts = 0;
  let trusted = true;
  /** by the name asked for, the name told: an engine with several names tells the first of them, whichever was asked */
  const told = new Map<string, string>();

  /** Behind one URL stand engines of one model: an answer that calls itself otherwise than the first one did is none. */
  function ofTheModel(body: unknown, { model }: EngineRequest): unknown {
    const name = (body as { model?: unknown } | null)?.model;
    if (typeof name !== "string") return body;
    const known = told.get(model) ?? name;
    if (name !== known) throw new Error("the answer is another model's than the first one was");
    told.set(model, known);
    return body;
  }

  function parse(bytes: Uint8Array, request: EngineRequest): unknown {
    return ofTheModel(JSON.parse(new TextDecoder().decode(bytes)), request);
  }

  function readChat(request: ChatRequest, bytes: Uint8Array, latencyMs: number): Completion {
    const whole = (): Completion => completionFromChat(parse(bytes, request), latencyMs, request.logprobTokenIds);
    const cut = trusted ? cutAnswer(bytes) : null;
    if (cut === null) return whole();
    const completion = completionFromChat(parse(cut.bytes, request), latencyMs, request.logprobTokenIds, cut.skipped);
    // one entry per token, or the entries were counted wrong
    if (completion.tokenIds !== null && completion.tokenIds.length !== completion.logprobsEnd) return whole();
    if (bytes.length > mostChecked || cuts++ % checkedEvery !== 0) return completion;
    const checked = whole();
    if (canonicalJson(checked) !== canonicalJson(completion)) {
      trusted = false;
      onWarning("an answer that was cut reads differently from the whole one: answers are parsed whole from now on");
    }
    return checked;
  }

  function read(request: EngineRequest, answer: Uint8Array | StreamedAnswer, latencyMs: number): Completion {
    const isChat = request.kind === "chat" && request.text === null;
    if ("skipped" in answer) {
      const body = ofTheModel(answer.body, request);
      return isChat
        ? completionFromChat(body, latencyMs, request.logprobTokenIds, answer.skipped)
        : completionFromText(body, latencyMs, answer.skipped);
    }
    return isChat ? readChat(request, answer, latencyMs) : completionFromText(parse(answer, request), latencyMs);
  }

  return (request, answer, latencyMs) => {
    try {
      return { ok: true, completion: read(request, answer, latencyMs) };
    } catch (error) {
      return badAnswer(error);
    }
  };
}

export function badAnswer(error: unknown): EngineOutcome {
  const { name, message: words } = error as Error;
  // JSON.parse quotes what it read: it may be a prompt
  const message = name === "SyntaxError" ? "the answer is not JSON" : words;
  return { ok: false, failure: { kind: "bad_answer", status: 200, message, retryAfterMs: null } };
}
