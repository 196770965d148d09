/** What whoever called a library does about an error that it threw. */
export type ForeignFault =
  /** the caller's own signal */
  | "aborted"
  /** a key, a password or a right is missing: waiting mends none of it */
  | "denied"
  /** an address, a certificate or a protocol that nobody can speak to */
  | "usage"
  /** nobody answers, or is too busy, or changes over: ask again, charge nobody */
  | "away"
  /** none that is known: the caller knows better what it asked for */
  | "unknown";

interface ForeignError {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
  /** openai's; the AWS SDK has it in $metadata */
  readonly status?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: unknown } | null;
  readonly cause?: unknown;
  /** of an AggregateError: one for each address of a host */
  readonly errors?: unknown;
}

/**
 * The one table over what undici, openai, ioredis, BullMQ, the AWS SDK and Node throw: told by name, code, status and
 * text, never by class; looks into causes, which is where SDKs put what happened. Pure.
 */
export function classifyError(error: unknown, depth = 0): ForeignFault {
  if (typeof error !== "object" || error === null || depth > 4) return "unknown";
  const foreign = error as ForeignError;
  const own = classifyOne(foreign);
  if (own !== "unknown") return own;
  const inside = [foreign.cause, ...(Array.isArray(foreign.errors) ? foreign.errors : [])];
  return inside.map((one) => classifyError(one, depth + 1)).find((fault) => fault !== "unknown") ?? "unknown";
}

function classifyOne({ name, code, message, status, $metadata }: ForeignError): ForeignFault {
  const words = typeof message === "string" ? message : "";
  // an SDK that takes an error for none of its realm's keeps its words alone
  const told = String(code ?? systemCall.exec(words)?.[1]);
  const http = $metadata?.httpStatusCode ?? status;
  for (const [fault, { names, codes, texts, statuses }] of table) {
    if (names.has(String(name)) || codes.test(told) || texts.test(words) || statuses.has(http)) return fault;
  }
  return "unknown";
}

/** "connect ECONNREFUSED 127.0.0.1:1" */
const systemCall = /\b(?:connect|getaddrinfo|read|write) (E[A-Z_]+)\b/;
const noText = /^(?!)/;

/** In this order: S3 says some of its refusals with a 400 or a 503, Redis says all of its own in words. */
const table: readonly (readonly [
  ForeignFault,
  { names: ReadonlySet<string>; codes: RegExp; texts: RegExp; statuses: ReadonlySet<unknown> },
])[] = [
  [
    "aborted",
    {
      names: new Set(["AbortError", "APIUserAbortError"]),
      codes: /^(ABORT_ERR|UND_ERR_ABORTED)$/,
      texts: /^Request was aborted\.?$/,
      statuses: new Set(),
    },
  ],
  [
    "denied",
    {
      // stores send some of these with status 400, versitygw the last one with 404
      names: new Set([
        "AccessDenied",
        "AuthorizationHeaderMalformed",
        "CredentialsProviderError",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "TokenProviderError",
        "TokenRefreshRequired",
        "XAdminUserNotFound",
      ]),
      codes: /^(EACCES|EPERM|EROFS)$/,
      texts: /^(NOAUTH|WRONGPASS|NOPERM|ERR AUTH|ERR invalid password)\b/,
      statuses: new Set([401, 403]),
    },
  ],
  [
    "usage",
    {
      names: new Set(["HTTPParserError"]),
      codes:
        /^(ERR_INVALID_URL|UND_ERR_INVALID_ARG|EPROTO|ERR_SSL_\w+|ERR_TLS_\w+|CERT_\w+|\w*SELF_SIGNED_CERT\w*|UNABLE_TO_\w+)$/,
      texts: noText,
      statuses: new Set(),
    },
  ],
  [
    "away",
    {
      names: new Set(["MaxRetriesPerRequestError", "ClusterAllFailedError", "TimeoutError", "SlowDown"]),
      codes:
        /^(ECONNREFUSED|ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|ENOENT|UND_ERR_\w*(TIMEOUT|SOCKET|CLOSED|DESTROYED)\w*)$/,
      texts:
        /^(LOADING|READONLY|OOM|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|MISCONF)\b|^Connection (is closed|error)|^Request timed out|socket hang up$/,
      statuses: new Set([408, 429, 500, 502, 503, 504]),
    },
  ],
];
