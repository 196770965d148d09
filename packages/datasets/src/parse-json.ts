import type { BadValue } from "@assay/core";

/**
 * JSON text as a value, or bad: invalid_json. Integers of 22 digits and more come as one just beyond 2^53, which is
 * refused wherever it is used (`assertNumbers`): as rounded numbers they would pass for measurements.
 */
export function parseJson(text: string): { readonly ok: true; readonly value: unknown } | BadValue {
  try {
    const value: unknown = JSON.parse(text);
    return { ok: true, value: holdsHuge(value) ? JSON.parse(withoutLongIntegers(text)) : value };
  } catch {
    return { ok: false, bad: "invalid_json" };
  }
}

/** Whether such an integer may be in it. Not by recursion: JSON.parse takes any depth. */
function holdsHuge(value: unknown): boolean {
  const open: object[] = [[value]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const members: readonly unknown[] = Array.isArray(next) ? next : Object.values(next);
    for (const member of members) {
      if (typeof member === "number" && (member >= 1e21 || member <= -1e21)) return true;
      if (typeof member === "object" && member !== null) open.push(member);
    }
  }
  return false;
}

const longInteger = /(?<![\d.eE+-])-?\d{22,}(?![\d.eE])/g;

/** Takes JSON text that parses. Strings are stepped over: they may hold any digits, and be too long for an expression. */
function withoutLongIntegers(text: string): string {
  const parts: string[] = [];
  for (let at = 0; at < text.length; ) {
    const begin = text.indexOf('"', at);
    if (begin < 0) {
      parts.push(replaced(text.slice(at)));
      break;
    }
    const end = endOfString(text, begin);
    parts.push(replaced(text.slice(at, begin)), text.slice(begin, end));
    at = end;
  }
  return parts.join("");
}

function replaced(text: string): string {
  return text.replace(longInteger, "9007199254740993");
}

function endOfString(text: string, begin: number): number {
  for (let quote = text.indexOf('"', begin + 1); ; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === "\\") backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
  }
}
