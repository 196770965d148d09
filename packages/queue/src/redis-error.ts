import { AssayError, classifyError } from "@assay/core";

/**
 * What a Redis that did not do `what` makes of it: E_DENIED where it refuses who asks, which no waiting mends, else
 * E_REDIS_UNAVAILABLE. `where` is without credentials, and so is what Redis and ioredis say.
 */
export function redisError(what: string, where: string, cause: unknown, got?: string): AssayError {
  const said = got ?? String((cause as { message?: unknown } | null)?.message ?? cause);
  if (classifyError(cause) === "denied" || classifyError({ message: said }) === "denied") {
    const next = "check the user and the password in the URL of Redis";
    return new AssayError("E_DENIED", "Redis refuses these credentials", { where, got: said, cause, next });
  }
  return new AssayError("E_REDIS_UNAVAILABLE", what, { where, got: said, cause });
}
