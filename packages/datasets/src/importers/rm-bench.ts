import { BadRecord, benchmarkColumns, inputStem } from "@assay/core";
import type { Importer, RawRecord } from "../importer.ts";
import { labelText, textsField, without } from "../raw-fields.ts";

/** Longest first: one name begins with another. */
const domains = ["safety-response", "safety-refuse", "chat", "code", "math"] as const;

/** Concise, detailed, detailed with markdown. */
const styles = 3;

/**
 * RM-Bench: three chosen and three rejected responses in three styles. The file of all domains says the domain in each
 * record; the files of one domain say it in their name. An id is unique only within its domain, so both make the id.
 */
export const rmBench: Importer = {
  name: "rm-bench",
  title: "RM-Bench: three chosen and three rejected responses a record; the domain is a field or in the file's name",
  signs: {
    all: ["id", "prompt", "chosen", "rejected"],
    any: ["domain", "subset"],
    none: ["num_correct", "total_completions"],
  },
  columns: benchmarkColumns.rmBench,
  labelled: true,
  map: {},
  toRecord(raw, { input }) {
    const responses = ["chosen", "rejected"].flatMap((field) => threeTexts(raw, field));
    const domain = raw.domain ?? domainOf(input);
    const id = labelText(raw, "id");
    return {
      record: {
        ...without(raw, ["chosen", "rejected"]),
        id: id === null || typeof domain !== "string" ? id : `${domain}:${id}`,
        domain,
        responses,
      },
      perResponse: responses.map((_, i) => ({ chosen: i < styles, style: i % styles })),
    };
  },
};

function threeTexts(raw: RawRecord, field: string): string[] {
  const texts = textsField(raw, field, "missing_response");
  if (texts.length !== styles) throw new BadRecord("wrong_type", field);
  return texts;
}

/** `chat_filtered.json` holds the domain chat. */
function domainOf(input: string): string | null {
  const stem = inputStem(input).toLowerCase();
  return domains.find((domain) => stem === domain || stem.startsWith(`${domain}_`)) ?? null;
}
