import { AssayError } from "@assay/core";
import { Option } from "commander";

/** What a flag's number may be. `read` is null for what it may not. */
export interface NumberKind {
  readonly expected: string;
  read(text: string): number | null;
}

/** A flag with a number, such as `--limit <n>`. Throws E_USAGE with the flag's name, what it takes and what it got. */
export function numberFlag(flags: string, description: string, kind: NumberKind): Option {
  const option = new Option(flags, description);
  return option.argParser((text) => {
    const value = kind.read(text);
    if (value !== null) return value;
    throw new AssayError("E_USAGE", `${option.long} takes another number`, {
      expected: kind.expected,
      // what is empty or has blanks around it would not be seen
      got: /^\S+$/.test(text) ? text : JSON.stringify(text),
    });
  });
}

/** 12 or 1e6, digits of ASCII alone; what a double cannot count exactly is refused, not rounded. */
export function whole(from: number, to: number = Number.MAX_SAFE_INTEGER): NumberKind {
  return {
    expected: `a whole number ${to === Number.MAX_SAFE_INTEGER ? `of ${from} or more` : `from ${from} to ${to}`}`,
    read(text) {
      const value = /^\d+(e\d+)?$/i.test(text) ? Number(text) : Number.NaN;
      return Number.isSafeInteger(value) && value >= from && value <= to ? value : null;
    },
  };
}

/** 0.5, .5 or 1e-3 */
export const amount: NumberKind = { expected: "a number of 0 or more", read: readAmount };

/** 0.05 or 5% */
export const share: NumberKind = {
  expected: "a share such as 0.05 or 5%",
  read(text) {
    const value = text.endsWith("%") ? readAmount(text.slice(0, -1), 100) : readAmount(text);
    return value === null || value > 1 ? null : value;
  },
};

function readAmount(text: string, per = 1): number | null {
  const value = /^(\d+(\.\d+)?|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) / per : Number.NaN;
  return Number.isFinite(value) ? value : null;
}
