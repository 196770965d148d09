import { AssayError, checkMissingPolicy, missingPolicies } from "@assay/core";
import { exportFormats, writeExport } from "@assay/datasets";
import { exportDataSet } from "../export-data-set.ts";
import { exportGroups } from "../export-groups.ts";
import { exportPairs } from "../export-pairs.ts";
import { exportRows } from "../export-rows.ts";
import type { RootFlags } from "../flags.ts";
import { type OpenedExport, openExport } from "../open-export.ts";
import { isAddress, openStore } from "../open-store.ts";
import { counted, note } from "../say.ts";
import { oneOf } from "../submit-settings.ts";
import { writeOnce } from "../write-once.ts";

type ExportFlags = RootFlags & {
  readonly as: string;
  readonly text?: boolean;
  readonly missing: string;
  readonly margin: number;
};

const exportShapes = ["rows", "dataset", "pairs", "groups"] as const;

/**
 * A batch's results for whoever goes on with them: all rows in one file, a Hugging Face data set folder, preference
 * pairs, or the table of groups. Of what is unfinished what is there, and E_NOT_FINISHED at the end: a command that
 * follows must not take half a batch for a whole one. Throws E_USAGE for an address in a bucket, among others.
 */
export async function exportBatch(text: string, path: string, flags: ExportFlags): Promise<void> {
  const shape = oneOf("--as", exportShapes, flags.as);
  const missing = oneOf("--missing", missingPolicies, flags.missing);
  if (missing !== "null" && (shape === "pairs" || shape === "groups"))
    throw new AssayError("E_USAGE", `--as ${shape} takes rewards alone: a row without one never gets a number`, {
      got: `--missing ${missing}`,
    });
  refuseRemote(path, shape);
  const format = shape === "dataset" ? "parquet" : formatOf(path, shape === "pairs" ? ["jsonl"] : exportFormats);
  const store = await openStore(flags.root);
  const source = await openExport(store, text, path);
  try {
    checkMissingPolicy(missing, source.file);
    const options = { text: flags.text === true, missing };
    if (shape === "dataset") await exportDataSet(store, source, path, options);
    else if (shape === "pairs") await exportPairs(source, path, flags.margin);
    else if (shape === "groups") await exportGroups(source, path, format);
    else await exportOneFile(source, path, format, options);
  } finally {
    await source.close();
  }
  if (source.unfinished.length > 0)
    throw new AssayError("E_NOT_FINISHED", "what was exported is unfinished: only the rows that are there", {
      where: source.unfinished.join(", "),
      next: "the same command with another name, once it is complete",
    });
}

async function exportOneFile(
  source: OpenedExport,
  path: string,
  format: (typeof exportFormats)[number],
  options: Parameters<typeof exportRows>[1],
): Promise<void> {
  const rows = await writeOnce(path, (sink) =>
    writeExport({ format, text: options.text, columns: source.file.columns }, exportRows(source, options), sink),
  );
  note(`${counted(rows, "row")} in ${path}`);
}

function refuseRemote(path: string, shape: (typeof exportShapes)[number]): void {
  if (!isAddress(path)) return;
  const copy = shape === "dataset" ? "aws s3 cp --recursive FOLDER" : "aws s3 cp FILE";
  throw new AssayError("E_USAGE", "an export is written to this machine", {
    expected: "the path of a new file, or of a folder for --as dataset",
    got: path,
    next: `export it here, then copy it: ${copy} ${path}`,
  });
}

function formatOf<T extends string>(path: string, allowed: readonly T[]): T {
  const format = allowed.find((known) => path.endsWith(`.${known}`));
  if (format !== undefined) return format;
  throw new AssayError("E_USAGE", "the file's name says which format is wanted", {
    expected: allowed.map((known) => `FILE.${known}`).join(" or "),
    got: path,
  });
}
