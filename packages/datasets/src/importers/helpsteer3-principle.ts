import { benchmarkColumns } from "@assay/core";
import type { Importer } from "../importer.ts";
import { choiceField } from "../raw-fields.ts";

/** HelpSteer3 `principle`: a conversation, one response, one principle, and whether people found it fulfilled. */
export const helpSteer3Principle: Importer = {
  name: "helpsteer3-principle",
  title: "HelpSteer3 principle: one response and one principle a record, fulfilled Yes or No",
  signs: { all: ["context", "response", "principle", "fulfilment"] },
  columns: benchmarkColumns.helpSteer3Principle,
  labelled: true,
  map: { prompt: "context" },
  toRecord(raw) {
    choiceField(raw, "fulfilment", ["Yes", "No"]);
    return { record: raw };
  },
};
