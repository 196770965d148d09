import type { UserColumn } from "@assay/core";
import type { Importer } from "../importer.ts";
import { textField, textsField, without } from "../raw-fields.ts";

/**
 * HelpSteer3 records of one response in several versions: the original, which the feedback is about, and edits made by
 * that feedback. `versions`: theirs field -> what the column `version` says, the original first.
 */
export function editedResponses({
  versions,
  columns = [],
  ...named
}: Pick<Importer, "name" | "title"> & {
  readonly versions: { readonly [field: string]: string };
  /** beside those that all of them have */
  readonly columns?: readonly UserColumn[];
}): Importer {
  const fields = Object.keys(versions);
  return {
    ...named,
    signs: { all: ["context", ...fields] },
    columns: [
      { name: "domain", type: "string" },
      { name: "language", type: "string" },
      { name: "version", type: "string" },
      { name: "feedback", type: "string" },
      ...columns,
    ],
    labelled: true,
    map: { prompt: "context" },
    toRecord(raw) {
      const feedback = JSON.stringify(textsField(raw, "feedback", "wrong_type"));
      return {
        record: {
          ...without(raw, [...fields, "feedback"]),
          responses: fields.map((field) => textField(raw, field, "missing_response")),
        },
        perResponse: fields.map((field, i) => ({
          version: versions[field] ?? null,
          feedback: i === 0 ? feedback : null,
        })),
      };
    },
  };
}
