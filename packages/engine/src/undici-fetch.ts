import { ReadableStream } from "node:stream/web";
import { type Dispatcher, request } from "undici";

/**
 * Settings for the Agent that the app makes. No time-out on headers or body: vLLM sends no byte before the last token
 * of a non-streaming answer, which takes minutes for a long reasoning, and the deadline of each request is ours.
 * Keep-alive below uvicorn's 5 s, so that the server never closes a connection under a request.
 */
export function engineAgentOptions(): {
  headersTimeout: number;
  bodyTimeout: number;
  keepAliveTimeout: number;
  keepAliveMaxTimeout: number;
  connect: { timeout: number };
} {
  return {
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 4_000,
    connect: { timeout: 5_000 },
  };
}

/** What went wrong on the way to or from the engine; `code` is the system's or undici's. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  readonly code: string;
  constructor(code: string) {
    // no code in the text and no cause: the SDK takes any error in whose texts "timeout" stands for its own and drops it
    super("the transport failed");
    this.code = code;
  }
}

/**
 * A `fetch` for the openai SDK over undici.request, at half of the cost of a full fetch. Reads the whole body before
 * it resolves, unless it is a stream of events. Rejects with TransportError, or with the signal's AbortError; so does
 * reading a stream.
 */
export function undiciFetch(agent: Dispatcher): typeof fetch {
  return async (input, init = {}) => {
    const url = typeof input === "string" ? input : input instanceof URL ? input.href : input.url;
    try {
      const { statusCode, headers, body } = await request(url, {
        dispatcher: agent,
        method: (init.method ?? "GET") as Dispatcher.HttpMethod,
        headers: Object.fromEntries(new Headers(init.headers)),
        body: (init.body ?? null) as string | null,
        signal: init.signal ?? null,
      });
      const plain = Object.entries(headers).flatMap(([name, value]): [string, string][] =>
        value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]],
      );
      if (String(headers["content-type"]).startsWith("text/event-stream")) {
        const stream = ReadableStream.from(piecesOf(body, init.signal ?? null));
        return new Response(stream as unknown as ConstructorParameters<typeof Response>[0], {
          status: statusCode,
          headers: plain,
        });
      }
      const bytes = withErrorObject(statusCode, await body.arrayBuffer());
      // a Response with these statuses may not have a body
      const empty = statusCode === 204 || statusCode === 205 || statusCode === 304;
      return new Response(empty ? null : bytes, { status: statusCode, headers: plain });
    } catch (error) {
      throw transportError(error, init.signal ?? null);
    }
  };
}

/**
 * The body of a refusal with its words under `error`, the only place where the SDK looks: older vLLM and others put
 * them at the top, gateways written with FastAPI under `detail`.
 */
function withErrorObject(status: number, bytes: ArrayBuffer): ArrayBuffer | Uint8Array<ArrayBuffer> {
  if (status < 400) return bytes;
  try {
    const body = JSON.parse(new TextDecoder().decode(bytes)) as { [field: string]: unknown } | null;
    const message = body?.message ?? body?.detail;
    if (typeof message !== "string" || body?.error != null) return bytes;
    return new TextEncoder().encode(JSON.stringify({ error: { ...body, message } }));
  } catch {
    return bytes;
  }
}

async function* piecesOf(body: AsyncIterable<Uint8Array>, signal: AbortSignal | null): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw transportError(error, signal);
  }
}

function transportError(error: unknown, signal: AbortSignal | null): unknown {
  if (signal?.aborted === true) return error;
  return new TransportError(String((error as { code?: unknown } | null)?.code ?? "UNKNOWN"));
}
