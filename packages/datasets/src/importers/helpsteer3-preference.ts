import { BadRecord, benchmarkColumns } from "@assay/core";
import type { Importer } from "../importer.ts";
import { isObject, textField, without } from "../raw-fields.ts";

/** HelpSteer3 `preference`: two responses, and which one people preferred. The annotators' reasons stay behind. */
export const helpSteer3Preference: Importer = {
  name: "helpsteer3-preference",
  title: "HelpSteer3 preference: two responses a record, overall_preference from -3 (the first) to 3",
  signs: { all: ["context", "response1", "response2", "overall_preference"] },
  columns: benchmarkColumns.helpSteer3Preference,
  labelled: true,
  map: { prompt: "context" },
  toRecord(raw) {
    const responses = ["response1", "response2"].map((field) => textField(raw, field, "missing_response"));
    const rest = without(raw, ["response1", "response2"]);
    return { record: { ...rest, responses, individual_scores: scores(raw.individual_preference) } };
  },
};

function scores(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  const all = Array.isArray(value)
    ? value.map((each: unknown) => (isObject(each) ? each.score : undefined))
    : [undefined];
  if (!all.every(Number.isFinite)) throw new BadRecord("wrong_type", "individual_preference");
  return JSON.stringify(all);
}
