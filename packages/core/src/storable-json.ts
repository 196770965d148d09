import { BadRecord } from "./bad-record.ts";

/** What has to hold of a parsed JSON value before it is written as JSON again. Each throws BadRecord with the field. */

/**
 * Deeper than this is no data set's field but a mistake or an attack: JSON.parse takes any depth, and JSON.stringify
 * and the readers of `carried` end in a stack overflow.
 */
const maxDepth = 200;

/** unsupported_content */
export function assertDepth(value: unknown, field: string): void {
  if (isDeeperThan(maxDepth, value)) throw new BadRecord("unsupported_content", field);
}

function isDeeperThan(depth: number, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return depth === 0 || Object.values(value).some((member) => isDeeperThan(depth - 1, member));
}

/** lone_surrogate, in a text or a key */
export function assertText(value: unknown, field: string): void {
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw new BadRecord("lone_surrogate", field);
  } else if (Array.isArray(value)) {
    for (const [i, member] of value.entries()) assertText(member, `${field}[${i}]`);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, member] of Object.entries(value)) {
      if (!key.isWellFormed()) throw new BadRecord("lone_surrogate", field);
      assertText(member, `${field}.${key}`);
    }
  }
}

/**
 * unsafe_integer, wrong_type. What is written as an integer beyond 2^53 was rounded by JSON.parse before we saw it.
 * From 1e21 on ECMAScript writes an exponent, which no identifier has: such a number is taken for the measurement that
 * it is. 1e400 became an infinity, which JSON would write as null. The value is to be no deeper than `assertDepth` lets.
 */
export function assertNumbers(value: unknown, field: string): void {
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new BadRecord("wrong_type", field);
    if (Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 1e21)
      throw new BadRecord("unsafe_integer", field);
  } else if (Array.isArray(value)) {
    for (const [i, member] of value.entries()) assertNumbers(member, `${field}[${i}]`);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, member] of Object.entries(value)) assertNumbers(member, `${field}.${key}`);
  }
}
