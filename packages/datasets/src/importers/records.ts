import type { Importer, RawRecord } from "../importer.ts";
import { readPromptText } from "../prompt-text.ts";

/** Fields that every row of an export has, and no other record. */
const ofExport = ["row_key", "answer_form", "batch"] as const;

/**
 * Records that are in our own shape already, or in another one that --map names. What nobody else claims. The prompt of
 * an export's row becomes turns again.
 */
export const records: Importer = {
  name: "records",
  title: "records with prompt or messages, response or responses, principle or principles",
  signs: null,
  columns: [],
  map: null,
  toRecord: (raw, { map }) => ({ record: isOfExport(raw) ? withTurns(raw, map.prompt ?? "prompt") : raw }),
};

function isOfExport(raw: RawRecord): boolean {
  return ofExport.every((field) => Object.hasOwn(raw, field));
}

function withTurns(raw: RawRecord, field: string): RawRecord {
  const prompt = raw[field];
  return typeof prompt === "string" ? { ...raw, [field]: readPromptText(prompt) } : raw;
}
