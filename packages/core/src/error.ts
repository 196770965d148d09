import { visibleText } from "./visible-text.ts";

/**
 * The one error class and the one table of codes. A row that fails is a value (a result row with a status);
 * an AssayError ends a chunk, a batch or a process. Codes are never reused; a retired one stays listed as retired.
 */

/** What whoever catches an error does with it. */
export type ErrorClass =
  /** bad flags, settings or refused plans: a person has to type something else */
  | "usage"
  /** the user's data */
  | "input"
  /** the store, Redis or an engine does not answer: wait and try again, charge nobody */
  | "infrastructure"
  /** the batch must stop until a person has looked */
  | "stop-batch"
  /** what is stored breaks a promise */
  | "broken"
  | "internal";

interface ErrorEntry {
  readonly exit: number;
  readonly class: ErrorClass;
  /** The usual next command or step; an error may carry a better one. */
  readonly next: string;
}

/** Exit codes of the command line. 75 is EX_TEMPFAIL: run the same again. */
export const exitCode = {
  ok: 0,
  internal: 1,
  usage: 2,
  rowsFailed: 3,
  badInput: 4,
  denied: 5,
  dependencyDown: 6,
  verifyFailed: 7,
  notFinished: 75,
} as const;

export const errorTable = {
  E_INTERNAL: { exit: 1, class: "internal", next: "report this with the command and the message" },
  E_NAME_TAKEN: { exit: 1, class: "internal", next: "choose another --name" },

  E_USAGE: { exit: 2, class: "usage", next: "assay --help" },
  E_PROFILE: { exit: 2, class: "usage", next: "see the built-in profiles in packages/core/src/profiles" },
  E_NO_SUCH_BATCH: { exit: 2, class: "usage", next: "assay ls" },
  E_BATCH_CANCELLED: { exit: 2, class: "usage", next: "assay resume BATCH" },
  E_BATCH_COMPLETE: { exit: 2, class: "usage", next: "assay status BATCH" },
  E_NO_REDIS: { exit: 2, class: "usage", next: "--redis redis://host:6379, or REDIS_URL" },
  E_SIMULATED_MIX: { exit: 2, class: "stop-batch", next: "submit again under another --model" },

  E_ROWS_FAILED: { exit: 3, class: "stop-batch", next: "assay status BATCH" },

  E_INPUT_MISSING: { exit: 4, class: "input", next: "check the path" },
  E_INPUT_UNREADABLE: { exit: 4, class: "input", next: "mend or leave out the file" },
  E_INPUT_CHANGED: { exit: 4, class: "input", next: "run the same command again once the file is complete" },
  E_INPUT_BAD: { exit: 4, class: "input", next: "mend the records, or raise --max-bad" },
  E_INPUT_EMPTY: { exit: 4, class: "input", next: "check the path" },
  E_INPUT_TOO_LARGE: { exit: 4, class: "input", next: "split the input into several batches" },

  E_DENIED: { exit: 5, class: "usage", next: "check the credentials and their rights" },
  E_ENGINE_DENIED: { exit: 5, class: "usage", next: "ASSAY_ENGINE_KEY or --engine-key-file" },

  E_STORE_UNAVAILABLE: { exit: 6, class: "infrastructure", next: "assay doctor --root ROOT" },
  E_STORE_NOT_ATOMIC: { exit: 6, class: "usage", next: "use a store that honours If-None-Match on PutObject" },
  E_REDIS_UNAVAILABLE: { exit: 6, class: "infrastructure", next: "assay doctor --redis URL" },
  E_REDIS_MISSING: { exit: 6, class: "usage", next: "install redis-server or valkey-server, or give --redis URL" },
  E_ENGINE_UNREACHABLE: { exit: 6, class: "infrastructure", next: "assay doctor --engine URL" },
  E_ENGINE_REFUSED: { exit: 6, class: "usage", next: "assay doctor --engine URL" },
  E_ENGINES_FENCED: { exit: 6, class: "stop-batch", next: "assay status BATCH" },
  E_PIN_MISMATCH: { exit: 6, class: "stop-batch", next: "point the worker at engines like the first one's" },

  E_BROKEN: { exit: 7, class: "broken", next: "assay verify BATCH" },
  E_SHARD_SCHEMA: { exit: 7, class: "broken", next: "report this with the message" },

  E_NOT_FINISHED: { exit: 75, class: "infrastructure", next: "run the same command again" },
  E_ABORTED: { exit: 75, class: "infrastructure", next: "run the same command again" },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorTable;

export interface ErrorDetails {
  /** file:line, object key, URL without user info, or row id; never a prompt or a response */
  readonly where?: string;
  readonly expected?: string;
  readonly got?: string;
  /** a better next step than the table's */
  readonly next?: string;
  readonly cause?: unknown;
}

/**
 * The only error class. `message` is what happened in one sentence; the rest says where, expected, got and next.
 * Never extended. Recognised by `isAssayError`, never by instanceof: tests run in another realm.
 */
export class AssayError extends Error {
  override readonly name = "AssayError";
  readonly code: ErrorCode;
  readonly where: string | undefined;
  readonly expected: string | undefined;
  readonly got: string | undefined;
  readonly next: string;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.where = details.where;
    this.expected = details.expected;
    this.got = details.got;
    this.next = details.next ?? errorTable[code].next;
  }

  get exit(): number {
    return errorTable[this.code].exit;
  }

  get class(): ErrorClass {
    return errorTable[this.code].class;
  }
}

export function isAssayError(error: unknown, code?: ErrorCode): error is AssayError {
  if (typeof error !== "object" || error === null || (error as { name?: unknown }).name !== "AssayError") return false;
  return code === undefined || (error as AssayError).code === code;
}

/** Anything thrown as an AssayError: a foreign error becomes E_INTERNAL with the original as its cause. */
export function toAssayError(error: unknown): AssayError {
  if (isAssayError(error)) return error;
  const message =
    typeof error === "object" && error !== null && "message" in error ? String(error.message) : String(error);
  return new AssayError("E_INTERNAL", message, { cause: error });
}

/**
 * The four lines a person reads: code and what, then where, expected and got, then the next command. Names of files and
 * what was typed or found may hold anything: a terminal obeys none of it.
 */
export function renderError(error: AssayError): string {
  const lines = [`${error.code}  ${error.message}`];
  if (error.where !== undefined) lines.push(`  where     ${visibleText(error.where)}`);
  if (error.expected !== undefined) lines.push(`  expected  ${error.expected}`);
  if (error.got !== undefined) lines.push(`  got       ${visibleText(error.got)}`);
  lines.push(`  next      ${error.next}`);
  return lines.join("\n");
}
