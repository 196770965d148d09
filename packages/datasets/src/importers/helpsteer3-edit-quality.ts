import type { Importer } from "../importer.ts";
import { textField, textsField, without } from "../raw-fields.ts";

/** HelpSteer3 `edit_quality`: a response, a good and a bad edit of it. */
export const helpSteer3EditQuality: Importer = {
  name: "helpsteer3-edit-quality",
  title: "HelpSteer3 edit_quality: the original, a good and a bad edited response of each record",
  signs: { all: ["context", "original_response", "good_edited_response", "bad_edited_response"] },
  columns: [
    { name: "domain", type: "string" },
    { name: "language", type: "string" },
    { name: "version", type: "string" },
    { name: "feedback", type: "string" },
  ],
  labelled: true,
  map: { prompt: "context" },
  toRecord(raw) {
    const used = ["original_response", "good_edited_response", "bad_edited_response"];
    const feedback = JSON.stringify(textsField(raw, "feedback", "wrong_type"));
    return {
      record: {
        ...without(raw, [...used, "feedback"]),
        responses: used.map((field) => textField(raw, field, "missing_response")),
      },
      // the feedback is about what stood there before the edits
      perResponse: [
        { version: "original", feedback },
        { version: "good_edited", feedback: null },
        { version: "bad_edited", feedback: null },
      ],
    };
  },
};
