import { type EngineFailure, failureFromHttp } from "@assay/core";

/** Errors of the SDK by their fields, never by class: tests run in another realm. */
export function failureFromError(error: unknown): EngineFailure {
  const { status, error: inner, headers } = error as { status?: number; error?: unknown; headers?: Headers };
  // the SDK hands over what stood under "error" in the body
  if (status !== undefined)
    return failureFromHttp(status, { error: inner }, headers?.get("retry-after") ?? null, Date.now());
  const code = transportCode(error);
  if (code === null) throw error;
  return {
    kind: unreached.has(code) ? "unreached" : "lost",
    status: null,
    message: `no answer: ${code}`,
    retryAfterMs: null,
  };
}

/** What goes wrong before there is a connection. ETIMEDOUT is none of them: an open connection may end so, too. */
const unreached: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** The code of what went wrong on the way, wherever the SDK put it; null when the way was not what failed. */
export function transportCode(error: unknown): string | null {
  for (let cause: unknown = error, depth = 0; cause != null && depth < 4; depth += 1) {
    const one = cause as { name?: string; code?: string; cause?: unknown };
    if (one.name === "TransportError") return one.code ?? "UNKNOWN";
    cause = one.cause;
  }
  return null;
}

export function isReset(error: unknown): boolean {
  const code = transportCode(error);
  return code === "ECONNRESET" || code === "EPIPE" || code === "UND_ERR_SOCKET";
}
