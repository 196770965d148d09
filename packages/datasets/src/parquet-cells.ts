import type { ParquetParsers, SchemaTree } from "hyparquet";
import { parseJson } from "./parse-json.ts";
import type { ReadRecord } from "./read-jsonl.ts";

/** Stand for bytes that are no UTF-8, and for text that is no JSON, until the row is made plain. */
const notText = Symbol("no UTF-8");
const notJson = Symbol("no JSON");

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Times as ISO text with all their digits, dates as YYYY-MM-DD, and no text is mended. */
export const plainParsers: Partial<ParquetParsers> = {
  stringFromBytes: textOf,
  jsonFromBytes: jsonOf,
  timestampFromMilliseconds: (millis) => isoTime(BigInt(millis) * 1_000_000n),
  timestampFromMicroseconds: (micros) => isoTime(BigInt(micros) * 1_000n),
  timestampFromNanoseconds: (nanos) => isoTime(BigInt(nanos)),
  dateFromDays: (days) => isoTime(BigInt(days) * 86_400_000_000_000n).replace(/T.*$/, ""),
};

/** Text, or what stands for bytes that are none. */
export function textOf(bytes: Uint8Array | undefined): string | typeof notText | undefined {
  if (bytes === undefined) return undefined;
  try {
    return decoder.decode(bytes);
  } catch {
    return notText;
  }
}

function jsonOf(bytes: Uint8Array | undefined): unknown {
  const text = textOf(bytes);
  if (typeof text !== "string") return text;
  const parsed = parseJson(text);
  return parsed.ok ? parsed.value : notJson;
}

/** The widest Date, in milliseconds from the epoch. */
const maxDateMs = 8_640_000_000_000_000n;

/**
 * `2026-01-01T00:00:00.000Z`, with six or nine decimals where the time has them. Of a time that no Date holds, as
 * DuckDB's infinity is one, the number with its unit: a column that is not asked for must not end the reading.
 */
function isoTime(nanos: bigint): string {
  const millis = nanos / 1_000_000n - (nanos % 1_000_000n < 0n ? 1n : 0n);
  if (millis > maxDateMs || millis < -maxDateMs) return `${nanos} ns from 1970-01-01`;
  const rest = nanos - millis * 1_000_000n;
  const text = new Date(Number(millis)).toISOString();
  if (rest === 0n) return text;
  const digits = rest % 1_000n === 0n ? String(rest / 1_000n).padStart(3, "0") : String(rest).padStart(6, "0");
  return `${text.slice(0, -1)}${digits}Z`;
}

/** The columns that hold bytes which nothing says to be text. */
export function binaryColumns({ children }: SchemaTree): ReadonlySet<string> {
  return new Set(children.filter(holdsBytes).map(({ element }) => element.name));
}

function holdsBytes({ element, children }: SchemaTree): boolean {
  if (children.length > 0) return children.some(holdsBytes);
  const { type, converted_type: converted, logical_type: logical } = element;
  const bytes = type === "BYTE_ARRAY" || type === "FIXED_LEN_BYTE_ARRAY";
  return bytes && converted === undefined && logical === undefined;
}

/** A decoded row as JSON would have it, or bad: invalid_utf8, invalid_json. Of `binary` columns what is no text is null. */
export function plainCells(
  row: { readonly [column: string]: unknown },
  binary: ReadonlySet<string>,
): ReadRecord["parsed"] {
  const cells: [string, unknown][] = [];
  for (const [name, cell] of Object.entries(row)) {
    const value = plain(cell);
    if (holds(notJson, value)) return { ok: false, bad: "invalid_json" };
    if (!holds(notText, value)) cells.push([name, value]);
    else if (binary.has(name)) cells.push([name, null]);
    else return { ok: false, bad: "invalid_utf8" };
  }
  return { ok: true, value: Object.fromEntries(cells) };
}

function plain(value: unknown): unknown {
  if (value === undefined || (typeof value === "number" && Number.isNaN(value))) return null;
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value !== "object" || value === null) return value;
  if (ArrayBuffer.isView(value)) return notText;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}

function holds(sought: symbol, value: unknown): boolean {
  if (value === sought) return true;
  return typeof value === "object" && value !== null && Object.values(value).some((member) => holds(sought, member));
}
