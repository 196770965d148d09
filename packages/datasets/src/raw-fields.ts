import { assertDepth, assertNumbers, type BadCode, BadRecord, readText } from "@assay/core";
import type { RawRecord } from "./importer.ts";

/** A field that has to hold text; `missing` is the code for one that is absent or null. Throws BadRecord. */
export function textField(raw: RawRecord, field: string, missing: BadCode): string {
  return readText(present(raw, field, missing), field);
}

/** A field that has to hold a list of texts, of any length. Throws BadRecord. */
export function textsField(raw: RawRecord, field: string, missing: BadCode): string[] {
  const value = present(raw, field, missing);
  if (!Array.isArray(value)) throw new BadRecord("wrong_type", field);
  return value.map((text: unknown, i) => readText(text, `${field}[${i}]`));
}

/** A field that has to hold an object. Throws BadRecord. */
export function objectField(raw: RawRecord, field: string, missing: BadCode): RawRecord {
  const value = present(raw, field, missing);
  if (!isObject(value)) throw new BadRecord("wrong_type", field);
  return value;
}

/** One of a few texts. Throws BadRecord for anything else, absence included. */
export function choiceField(raw: RawRecord, field: string, choices: readonly string[]): string {
  const value = raw[field];
  if (typeof value !== "string" || !choices.includes(value)) throw new BadRecord("wrong_type", field);
  return value;
}

/**
 * Any value as the text of a column: text as it is, the rest as JSON, null for what is absent. Throws BadRecord for a
 * number that was rounded when it was read, and for a value that is nested too deeply to be written.
 */
export function labelText(raw: RawRecord, field: string): string | null {
  const value = raw[field];
  if (value === undefined || value === null) return null;
  if (typeof value === "string") return value;
  assertDepth(value, field);
  assertNumbers(value, field);
  return JSON.stringify(value);
}

/** The record without the fields that an importer has used up. */
export function without(raw: RawRecord, used: readonly string[]): { [field: string]: unknown } {
  // fromEntries defines own properties, so that a field named __proto__ is data like any other
  return Object.fromEntries(Object.entries(raw).filter(([field]) => !used.includes(field)));
}

export function isObject(value: unknown): value is RawRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function present(raw: RawRecord, field: string, missing: BadCode): unknown {
  const value = Object.hasOwn(raw, field) ? raw[field] : undefined;
  if (value === undefined || value === null) throw new BadRecord(missing, field);
  return value;
}
