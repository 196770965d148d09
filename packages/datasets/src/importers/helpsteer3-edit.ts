import type { Importer } from "../importer.ts";
import { editedResponses } from "./edited-responses.ts";

/** HelpSteer3 `edit`: a response, and the same after people edited it by the feedback it had got. */
export const helpSteer3Edit: Importer = editedResponses({
  name: "helpsteer3-edit",
  title: "HelpSteer3 edit: the original and the edited response of each record",
  versions: { original_response: "original", edited_response: "edited" },
  columns: [{ name: "change_summary", type: "string" }],
});
