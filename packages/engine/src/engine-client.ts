import {
  AssayError,
  chatBody,
  type EngineFailure,
  type EngineOutcome,
  type EngineRequest,
  failureFromHttp,
  readBody,
} from "@assay/core";
import OpenAI from "openai";
import type { Dispatcher } from "undici";
import { collectStream } from "./collect-stream.ts";
import { fitAnswer } from "./fit-answer.ts";
import { badAnswer, createAnswerReader } from "./read-answer.ts";
import { failureFromError, isReset, transportCode } from "./transport-failure.ts";
import { undiciFetch } from "./undici-fetch.ts";

/** One engine, spoken to over HTTP. Knows no limits and no other engines. */
export interface EngineClient {
  /** scheme, host and port */
  readonly origin: string;
  /**
   * One request, the whole answer; every failure is a value. `deadlineMs` counts from the call. `session` goes out as
   * X-Session-ID, by which routers in front keep requests of one session on one replica; vLLM itself ignores it. A chat
   * request whose answer budget is what does not fit is sent once more with what does.
   */
  complete(
    request: EngineRequest,
    options: { signal: AbortSignal; deadlineMs: number; session?: string | undefined },
  ): Promise<EngineOutcome>;
  /**
   * From now on a row's answers are asked for in pieces, so that something comes while they are written: a proxy in
   * front may end a silence. Completions are the same.
   */
  streamFromNowOn(): void;
  /** For the probe: any path of the server. Status 0 with the code when no answer came. Never rejects. */
  ask(path: string, body: unknown, limitMs: number, headers?: Readonly<Record<string, string>>): Promise<HttpAnswer>;
}

export interface HttpAnswer {
  readonly status: number;
  /** parsed JSON, or the text where it is none */
  readonly body: unknown;
}

/** The SDK's own deadline, switched off: the longest a timer can be. */
const noDeadline = 2 ** 31 - 1;
/** A reset this soon after sending is an idle connection that the server had just closed: once more costs nothing. */
const staleConnectionMs = 1_000;

/**
 * A client over the openai SDK. `url` is the server's, with or without /v1; the agent brings connections and is the
 * caller's to close. The SDK never retries: whose fault a failure was is decided above. Throws E_USAGE for a bad URL.
 */
export function createEngineClient(options: {
  url: string;
  agent: Dispatcher;
  apiKey: string | null;
  onWarning?: (text: string) => void;
}): EngineClient {
  const { origin, base } = parseEngineUrl(options.url);
  const fetch = undiciFetch(options.agent);
  const readAnswer = createAnswerReader((text) => options.onWarning?.(`${origin}: ${text}`));
  const sdk = new OpenAI({
    baseURL: `${base}/v1`,
    // the SDK wants one; a server without a key ignores it
    apiKey: options.apiKey ?? "none",
    maxRetries: 0,
    timeout: noDeadline,
    fetch,
  });

  let streams = false;

  async function send(request: EngineRequest, signal: AbortSignal, session?: string): Promise<Response> {
    const sending = session === undefined ? { signal } : { signal, headers: { "X-Session-ID": session } };
    // the SDK's types know neither role principle nor vLLM's fields; it passes both on
    const body: unknown =
      request.kind === "chat" ? { ...chatBody(request), ...(streams ? inPieces : {}) } : readBody(request);
    const answer =
      request.kind === "chat" && request.text === null
        ? sdk.chat.completions.create(body as OpenAI.ChatCompletionCreateParams, sending)
        : sdk.completions.create(body as OpenAI.CompletionCreateParams, sending);
    return answer.asResponse();
  }

  /** Rejects with the transport's errors alone. */
  async function read(request: EngineRequest, response: Response, startedAt: number): Promise<EngineOutcome> {
    const latencyMs = (): number => performance.now() - startedAt;
    if (response.body === null || !isEventStream(response))
      return readAnswer(request, new Uint8Array(await response.arrayBuffer()), latencyMs());
    const collected = await collectStream(response.body).catch((error: unknown) => {
      if (transportCode(error) !== null || (error as Error).name === "AbortError") throw error;
      return badAnswer(error);
    });
    if ("ok" in collected) return collected;
    if (collected.kind === "answer") return readAnswer(request, collected, latencyMs());
    if (collected.kind === "failed")
      return { ok: false, failure: failureFromHttp(collected.status, collected.body, null, Date.now()) };
    const message = "no answer: the stream ended before its end";
    return { ok: false, failure: { kind: "lost", status: null, message, retryAfterMs: null } };
  }

  async function attempt(
    request: EngineRequest,
    signal: AbortSignal,
    isOver: () => "aborted" | "deadline" | null,
    session?: string,
  ): Promise<{ outcome: EngineOutcome; stale: boolean }> {
    const startedAt = performance.now();
    try {
      const response = await send(request, signal, session);
      return { outcome: await read(request, response, startedAt), stale: false };
    } catch (error) {
      const over = isOver();
      const failure = over === null ? failureFromError(error) : cut(over);
      const stale = over === null && isReset(error) && performance.now() - startedAt < staleConnectionMs;
      return { outcome: { ok: false as const, failure }, stale };
    }
  }

  const ask: EngineClient["ask"] = async (path, body, limitMs, headers = {}) => {
    try {
      const response = await fetch(`${base}${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers: {
          ...headers,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(options.apiKey === null ? {} : { authorization: `Bearer ${options.apiKey}` }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(limitMs),
      });
      const text = await response.text();
      return { status: response.status, body: parsed(text) };
    } catch (error) {
      const { code, name } = error as { code?: string; name?: string };
      return { status: 0, body: code ?? (name === "TimeoutError" ? `no answer within ${limitMs} ms` : name) };
    }
  };

  return {
    origin,
    ask,
    streamFromNowOn() {
      streams = true;
    },

    async complete(request, { signal, deadlineMs, session }) {
      if (signal.aborted) return { ok: false, failure: cut("aborted") };
      const controller = new AbortController();
      let over: "aborted" | "deadline" | null = null;
      const end = (why: "aborted" | "deadline"): void => {
        over ??= why;
        controller.abort();
      };
      const onAbort = (): void => end("aborted");
      const timer = setTimeout(() => end("deadline"), deadlineMs);
      // not AbortSignal.any: a chunk's signal outlives thousands of rows
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        const sendIt = async (one: EngineRequest): Promise<EngineOutcome> => {
          const send = () => attempt(one, controller.signal, () => over, session);
          const first = await send();
          if (!first.stale) return first.outcome;
          const second = (await send()).outcome;
          // what was cut may have been what killed it
          return !second.ok && second.failure.kind === "unreached" ? first.outcome : second;
        };
        const outcome = await sendIt(request);
        if (outcome.ok || outcome.failure.kind !== "too_long" || request.kind !== "chat") return outcome;
        const fitted = await fitAnswer(ask, request);
        return fitted === null ? outcome : await sendIt(fitted);
      } finally {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
      }
    },
  };
}

/** http://host:8000, http://host:8000/v1/ and https://proxy/prefix all name the server below which /v1 lies. */
export function parseEngineUrl(url: string): { origin: string; base: string } {
  const refuse = (got: string): AssayError =>
    new AssayError("E_USAGE", "not the URL of an engine", { expected: "http://host:8000", got });
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw refuse(url);
  }
  if (parsed.protocol !== "http:" && parsed.protocol !== "https:") throw refuse(url);
  if (parsed.username !== "" || parsed.password !== "") {
    throw new AssayError("E_USAGE", "an engine's URL must not hold a secret: it is shown and stored", {
      where: parsed.origin,
      next: "ASSAY_ENGINE_KEY or --engine-key-file",
    });
  }
  return {
    origin: parsed.origin,
    base: `${parsed.origin}${parsed.pathname.replace(/\/+$/, "").replace(/\/v1$/, "")}`,
  };
}

function cut(over: "aborted" | "deadline"): EngineFailure {
  const message = over === "aborted" ? "stopped" : "no answer before the deadline";
  return { kind: over, status: null, message, retryAfterMs: null };
}

const inPieces = { stream: true, stream_options: { include_usage: true } };

function isEventStream(response: Response): boolean {
  return response.headers.get("content-type")?.startsWith("text/event-stream") === true;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
