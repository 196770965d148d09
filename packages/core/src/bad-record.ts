import type { BadCode } from "./row.ts";

/** Ends the reading of one record, from however deep. Never leaves `badAsValue`. */
export class BadRecord extends Error {
  override readonly name = "BadRecord";
  readonly code: BadCode;
  readonly field: string | undefined;
  constructor(code: BadCode, field?: string) {
    super(code);
    this.code = code;
    this.field = field;
  }
}

export interface BadValue {
  readonly ok: false;
  readonly bad: BadCode;
  /** the field that is missing or wrong, by the user's own name for it */
  readonly field?: string;
}

/** What `read` returns, or the BadRecord it threw as a value; anything else that it throws goes on. */
export function badAsValue<T>(read: () => T): T | BadValue {
  try {
    return read();
  } catch (error) {
    if (!isBadRecord(error)) throw error;
    return error.field === undefined
      ? { ok: false, bad: error.code }
      : { ok: false, bad: error.code, field: error.field };
  }
}

function isBadRecord(error: unknown): error is BadRecord {
  return (error as { name?: unknown } | null)?.name === "BadRecord";
}

/** Well-formed text, as given. Throws BadRecord: wrong_type, lone_surrogate. */
export function readText(value: unknown, field: string): string {
  if (typeof value !== "string") throw new BadRecord("wrong_type", field);
  if (!value.isWellFormed()) throw new BadRecord("lone_surrogate", field);
  return value;
}
