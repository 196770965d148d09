import { z } from "zod";
import type { EngineFailure } from "./completion.ts";
import { retryAfterMs } from "./retry-after.ts";

const errorSchema = z.object({
  error: z.union([z.string(), z.object({ message: z.string().nullish(), param: z.string().nullish() })]),
});

/** The engine's own words may quote what it was sent: enough to act on, not enough to leak a prompt. */
const keptMessageChars = 300;

/**
 * What an HTTP status other than 200 means for the row, the chunk and the engine (test/conformance). `nowMs`
 * is epoch time, for a Retry-After that names a date.
 */
export function failureFromHttp(
  status: number,
  body: unknown,
  retryAfter: string | null,
  nowMs: number,
): EngineFailure {
  const parsed = errorSchema.safeParse(body);
  const error = parsed.success ? parsed.data.error : null;
  const message = (typeof error === "string" ? error : error?.message) ?? `HTTP ${status}`;
  const param = typeof error === "string" ? null : (error?.param ?? null);
  return {
    kind: kindOf(status, message, param),
    status,
    // toWellFormed: the cut may fall between the two halves of one character, which no shard would take
    message: withoutValues(message).slice(0, keptMessageChars).toWellFormed(),
    retryAfterMs: retryAfterMs(retryAfter, nowMs),
  };
}

/** vLLM ends in "(parameter=x, value=…)", pydantic in "'input': …": both repeat what was sent, which may be a prompt. */
function withoutValues(message: string): string {
  return message.replace(/, value=[\s\S]*$/, ")").replace(/'input': [\s\S]*$/, "");
}

/** What vLLM says with a 500 when its engine died, or while it shuts down: nothing of it is the row's fault. */
const goneWords = /EngineCore|EngineDead|after shutdown/i;

/** What gateways say that reach no engine, or have no patience with it; 520 to 524 are Cloudflare's. */
const noEngine = new Set([502, 504, 520, 521, 522, 523, 524]);

function kindOf(status: number, message: string, param: string | null): EngineFailure["kind"] {
  if (status === 400 || status === 422) {
    const tooLong =
      param === "input_tokens" || param === "max_tokens" || /maximum context length|max_model_len/i.test(message);
    return tooLong ? "too_long" : "rejected";
  }
  if (status === 404) return "wrong_model";
  if (status === 401 || status === 403) return "denied";
  // 408: somebody on the way had no patience with the request's own bytes
  if (status === 408 || status === 429 || status === 503) return "busy";
  if (noEngine.has(status) || (status === 500 && goneWords.test(message))) return "lost";
  if (status >= 500) return "server_error";
  return "rejected";
}
