import { benchmarkColumns } from "@assay/core";
import type { Importer } from "../importer.ts";
import { choiceField, labelText, textField, without } from "../raw-fields.ts";

/** JudgeBench: a question and two responses, one of which is objectively right. Score files of judges fit, too. */
export const judgeBench: Importer = {
  name: "judgebench",
  title: 'JudgeBench: responses A and B of each pair, label "A>B" or "B>A"',
  signs: { all: ["pair_id", "question", "response_A", "response_B", "label"] },
  columns: benchmarkColumns.judgeBench,
  labelled: true,
  map: { id: "pair_id", prompt: "question" },
  toRecord(raw) {
    choiceField(raw, "label", ["A>B", "B>A"]);
    const responses = ["response_A", "response_B"].map((field) => textField(raw, field, "missing_response"));
    return {
      // the README says text, the files hold a number or nothing
      record: {
        ...without(raw, ["response_A", "response_B"]),
        responses,
        original_id: labelText(raw, "original_id"),
      },
      perResponse: [{ side: "A" }, { side: "B" }],
    };
  },
};
