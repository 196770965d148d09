import { gunzipSync } from "node:zlib";
import type { Status } from "@assay/core";

/** The rows of a checkpoint of a chunk; its first line says what they were scored with. */
export function readCheckpoint(bytes: Uint8Array): { readonly row_index: number; readonly status: Status }[] {
  const lines = gunzipSync(bytes).toString().trimEnd().split("\n").slice(1);
  return lines.map((line) => JSON.parse(line) as { row_index: number; status: Status });
}
