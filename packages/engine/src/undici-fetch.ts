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
 * it resolves. Rejects with TransportError, or with the signal's AbortError.
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
      const bytes = await body.arrayBuffer();
      const plain = Object.entries(headers).flatMap(([name, value]): [string, string][] =>
        value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]],
      );
      // a Response with these statuses may not have a body
      const empty = statusCode === 204 || statusCode === 205 || statusCode === 304;
      return new Response(empty ? null : bytes, { status: statusCode, headers: plain });
    } catch (error) {
      if (init.signal?.aborted === true) throw error;
      throw new TransportError(String((error as { code?: unknown } | null)?.code ?? "UNKNOWN"));
    }
  };
}
