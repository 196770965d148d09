/** Cuts the values of named fields out of JSON text while it streams by. */
export interface FieldCutter {
  /** The next bytes of the line, as many as there are; what is kept of them. May be a view of `bytes`. */
  push(bytes: Uint8Array): Uint8Array;
  /** The line is over, whole or not. */
  nextLine(): void;
}

/**
 * What the next byte belongs to: a string that may be a key of the outermost object, what stands behind a named key,
 * behind its colon, a value that is cut, or anything else.
 */
type At = "text" | "key" | "colon" | "value" | "cut";

const quote = 0x22;
const backslash = 0x5c;
/** 1 for bytes that neither begin a string nor open or close anything. */
const endsNothing = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === quote || isOpen(byte) || isClose(byte) ? 0 : 1,
);
const nullBytes = new TextEncoder().encode("null");

/**
 * A cutter for lines that are JSON objects: the values of the fields `names` of the outermost object become null, all
 * other bytes stay as they are. So an array of a million token ids costs its bytes once and no memory. Names written
 * with escapes are not found, which only keeps their values. What is no valid JSON around the cuts stays invalid; what
 * is cut is not looked at further than where it ends, so NaN is no fault in there. Memory: none beyond one read.
 */
export function createFieldCutter(names: readonly string[]): FieldCutter {
  const keys = names.map((name) => new TextEncoder().encode(name));
  const longest = Math.max(0, ...keys.map((key) => key.length));
  const key = new Uint8Array(longest + 1);
  let keyLength = 0;
  let at: At = "text";
  let depth = 0;
  let inString = false;
  let escaped = false;
  let isObject = false;
  /** at depth 1 of an object: the next string is a key */
  let beforeKey = false;
  /** depth below which the cut value ends; -1 for a number or a word */
  let cutDepth = 0;

  function nextLine(): void {
    at = "text";
    depth = 0;
    inString = false;
    escaped = false;
    beforeKey = false;
  }

  const isNamed = (): boolean =>
    keys.some((name) => name.length === keyLength && name.every((byte, i) => byte === key[i]));

  function push(bytes: Uint8Array): Uint8Array {
    const kept: Uint8Array[] = [];
    let from = at === "cut" ? -1 : 0;
    for (let i = 0; i < bytes.length; i += 1) {
      // nearly all bytes are these: the numbers of an array that is cut
      if (at === "cut" && cutDepth >= 0 && !inString) {
        while (i < bytes.length && endsNothing[bytes[i] ?? 0] === 1) i += 1;
        if (i === bytes.length) break;
      }
      const byte = bytes[i] ?? 0;
      if (at === "value" && !isSpace(byte)) {
        at = beginsValue(byte) ? "cut" : "text";
        if (at === "cut") {
          kept.push(bytes.subarray(from, i), nullBytes);
          from = -1;
          cutDepth = byte === quote || isOpen(byte) ? depth : -1;
        }
      }
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === backslash) escaped = true;
        else if (byte === quote) {
          inString = false;
          if (at === "key") at = isNamed() ? "colon" : "text";
          else if (at === "cut" && depth === cutDepth) {
            at = "text";
            from = i + 1;
          }
          continue;
        }
        if (at === "key" && keyLength <= longest) key[keyLength++] = byte;
        continue;
      }
      if (byte === quote) {
        inString = true;
        if (at === "text" && depth === 1 && beforeKey) {
          at = "key";
          keyLength = 0;
          beforeKey = false;
        }
      } else if (isOpen(byte)) {
        depth += 1;
        if (depth === 1) {
          isObject = byte === 0x7b;
          beforeKey = isObject;
        }
      } else if (isClose(byte)) {
        if (at === "cut" && cutDepth === -1) {
          // a number or a word ended by the object's own bracket
          at = "text";
          from = i;
        }
        depth -= 1;
        if (at === "cut" && depth === cutDepth) {
          at = "text";
          from = i + 1;
        }
      } else if (byte === 0x2c && depth === 1) {
        if (at === "cut") {
          at = "text";
          from = i;
        }
        beforeKey = isObject;
      } else if (byte === 0x3a && at === "colon") at = "value";
    }
    if (from === 0 && kept.length === 0) return bytes;
    if (from >= 0 && from < bytes.length) kept.push(bytes.subarray(from));
    return Buffer.concat(kept);
  }

  return { push, nextLine };
}

/** A string, an object, an array, a number, true, false, null, and Python's NaN and Infinity. */
function beginsValue(byte: number): boolean {
  return (
    byte === quote || isOpen(byte) || (byte >= 0x30 && byte <= 0x39) || "-tfnNI".includes(String.fromCharCode(byte))
  );
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === 0x0a;
}

function isOpen(byte: number): boolean {
  return byte === 0x5b || byte === 0x7b;
}

function isClose(byte: number): boolean {
  return byte === 0x5d || byte === 0x7d;
}
