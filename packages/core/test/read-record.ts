import { type NormalisedRecord, normaliseRecord, type RecordSettings } from "../src/normalise-record.ts";

export const usual: RecordSettings = {
  roles: ["system", "user", "assistant"],
  principles: [],
  map: {},
  columns: [],
  carryAll: false,
};

/** A record as the reader gives it: out of JSON text, so that __proto__ and rounded numbers are what they are there. */
export function read(json: string, settings: Partial<RecordSettings> = {}): NormalisedRecord {
  return normaliseRecord(JSON.parse(json), { ...usual, ...settings });
}

export function good(json: string, settings: Partial<RecordSettings> = {}): Extract<NormalisedRecord, { ok: true }> {
  const record = read(json, settings);
  if (!record.ok) throw new Error(`${record.bad} ${record.field}`);
  return record;
}

/** A whole record with something more in it. */
export const whole = (more = ""): string => `{"prompt":"Q","response":"A","principle":"p"${more}}`;
