import { Refusal } from "./refusal.ts";

/** A JSON object of a request. Unknown fields are never looked at, as on a real server. */
export type Fields = { readonly [field: string]: unknown };

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Throws Refusal 400 where the body is no JSON object. */
export function parseFields(body: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new Refusal(400, "1 validation error: JSON decode error");
  }
  if (!isFields(value)) throw new Refusal(400, "1 validation error: Input should be a valid dictionary");
  return value;
}

/** Fields that are absent and fields that are null are the same. Each throws Refusal 400 for another type. */
export function readNumber(fields: Fields, name: string): number | null {
  const value = fields[name] ?? null;
  if (value === null || typeof value === "number") return value;
  throw wrongType(name, "a valid number");
}

export function readInteger(fields: Fields, name: string): number | null {
  const value = readNumber(fields, name);
  if (value !== null && !Number.isInteger(value)) throw wrongType(name, "a valid integer");
  return value;
}

export function readBoolean(fields: Fields, name: string): boolean {
  const value = fields[name] ?? false;
  if (typeof value === "boolean") return value;
  throw wrongType(name, "a valid boolean");
}

export function readText(fields: Fields, name: string): string | null {
  const value = fields[name] ?? null;
  if (value === null || typeof value === "string") return value;
  throw wrongType(name, "a valid string");
}

export function readIds(fields: Fields, name: string): number[] | null {
  const value = fields[name] ?? null;
  if (value === null) return null;
  if (isIds(value)) return value;
  throw wrongType(name, "a list of integers");
}

export function isIds(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((id) => Number.isInteger(id));
}

export function wrongType(name: string, expected: string): Refusal {
  return new Refusal(400, `1 validation error: ${name}: Input should be ${expected}`);
}

/** A text that was read; the tokenizer of a real server refuses lone surrogates with these words. */
export function checkWellFormed(text: string): string {
  if (text.isWellFormed()) return text;
  throw new Refusal(400, "TextEncodeInput must be Union[TextInputSequence, Tuple[InputSequence, InputSequence]]");
}

/** Whether the answer shall come in pieces, and with a last one that counts its tokens. */
export function readStream(fields: Fields): { stream: boolean; usage: boolean } {
  const { stream_options } = fields;
  return {
    stream: readBoolean(fields, "stream"),
    usage: isFields(stream_options) && readBoolean(stream_options, "include_usage"),
  };
}
