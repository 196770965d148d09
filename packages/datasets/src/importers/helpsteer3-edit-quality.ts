import type { Importer } from "../importer.ts";
import { editedResponses } from "./edited-responses.ts";

/** HelpSteer3 `edit_quality`: a response, a good and a bad edit of it. */
export const helpSteer3EditQuality: Importer = editedResponses({
  name: "helpsteer3-edit-quality",
  title: "HelpSteer3 edit_quality: the original, a good and a bad edited response of each record",
  versions: {
    original_response: "original",
    good_edited_response: "good_edited",
    bad_edited_response: "bad_edited",
  },
});
