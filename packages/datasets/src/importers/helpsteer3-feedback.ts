import type { Importer } from "../importer.ts";
import { textField, textsField, without } from "../raw-fields.ts";

/** HelpSteer3 `feedback`: two responses, and what people wrote about each of them. */
export const helpSteer3Feedback: Importer = {
  name: "helpsteer3-feedback",
  title: "HelpSteer3 feedback: two responses a record, each with its feedback as a JSON list",
  signs: { all: ["context", "response1", "response2", "feedback1", "feedback2"] },
  columns: [
    { name: "domain", type: "string" },
    { name: "language", type: "string" },
    { name: "feedback", type: "string" },
  ],
  labelled: true,
  map: { prompt: "context" },
  toRecord(raw) {
    const responses = ["response1", "response2"].map((field) => textField(raw, field, "missing_response"));
    const feedback = ["feedback1", "feedback2"].map((field) => textsField(raw, field, "wrong_type"));
    return {
      record: { ...without(raw, ["response1", "response2", "feedback1", "feedback2"]), responses },
      perResponse: feedback.map((texts) => ({ feedback: JSON.stringify(texts) })),
    };
  },
};
