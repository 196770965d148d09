import type { Importer } from "../importer.ts";
import { textField, textsField, without } from "../raw-fields.ts";

/** HelpSteer3 `edit`: a response, and the same after people edited it by the feedback it had got. */
export const helpSteer3Edit: Importer = {
  name: "helpsteer3-edit",
  title: "HelpSteer3 edit: the original and the edited response of each record",
  signs: { all: ["context", "original_response", "edited_response"] },
  columns: [
    { name: "domain", type: "string" },
    { name: "language", type: "string" },
    { name: "version", type: "string" },
    { name: "feedback", type: "string" },
    { name: "change_summary", type: "string" },
  ],
  labelled: true,
  map: { prompt: "context" },
  toRecord(raw) {
    const used = ["original_response", "edited_response"];
    const feedback = JSON.stringify(textsField(raw, "feedback", "wrong_type"));
    return {
      record: {
        ...without(raw, [...used, "feedback"]),
        responses: used.map((field) => textField(raw, field, "missing_response")),
      },
      // the feedback is about what stood there before the edit
      perResponse: [
        { version: "original", feedback },
        { version: "edited", feedback: null },
      ],
    };
  },
};
