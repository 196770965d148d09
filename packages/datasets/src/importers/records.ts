import type { Importer } from "../importer.ts";

/** Records that are in our own shape already, or in another one that --map names. What nobody else claims. */
export const records: Importer = {
  name: "records",
  title: "records with prompt or messages, response or responses, principle or principles",
  signs: null,
  columns: [],
  map: null,
  toRecord: (record) => ({ record }),
};
