import { AssayError, compareNatural } from "@assay/core";

/** A file or object that will be read, with the label it gets in the `input` column. */
export interface ChosenInput {
  readonly path: string;
  readonly input: string;
}

/** What a folder or an S3 prefix is read for: the first of these kinds that it holds, and none of the others. */
const kinds: readonly { readonly name: string; readonly pattern: RegExp }[] = [
  { name: "*.jsonl", pattern: /\.jsonl(\.gz|\.zst)?$/i },
  { name: "*.parquet", pattern: /\.parquet$/i },
  { name: "*.csv", pattern: /\.csv(\.gz|\.zst)?$/i },
  { name: "*.json", pattern: /\.json(\.gz|\.zst)?$/i },
];

/** For messages: what a folder was looked through for. */
export const inputKinds: string = `${kinds.map(({ name }) => name).join(", ")}; text also as .gz or .zst`;

/** The files of a folder that are its records: a data set often lies there twice, in two formats. */
export function pickInputs(paths: readonly string[]): string[] {
  for (const { pattern } of kinds) {
    const found = paths.filter((path) => pattern.test(path));
    if (found.length > 0) return found;
  }
  return [];
}

const mayHoldRecords = /\.(jsonl|ndjson|json|csv|tsv|parquet|arrow)(\.(gz|gzip|zst|zstd|bz2|xz))?$/i;

/** Of the files of a folder those that are none of the `picked`, and by their names hold records all the same. */
export function passedOver(paths: readonly string[], picked: readonly string[]): string[] {
  const taken = new Set(picked);
  return paths.filter((path) => mayHoldRecords.test(path) && !taken.has(path));
}

export function isCsv(path: string): boolean {
  return /\.csv(\.gz|\.zst)?$/i.test(path);
}

/**
 * Orders inputs naturally and labels them (FORMATS, "Order"): the base name for one file, else the path below the
 * common parent; never absolute. `paths` are absolute or keys, "/" between parts; a path named twice is read twice
 * only when it is asked for twice. Throws E_INPUT_MISSING for none.
 */
export function chooseInputs(paths: readonly string[]): ChosenInput[] {
  if (paths.length === 0) throw new AssayError("E_INPUT_MISSING", "no input file was found", { expected: inputKinds });
  const parent = paths.length === 1 ? parentOf(paths[0] ?? "") : commonParent(paths);
  return paths
    .map((path) => ({ path, input: path.slice(parent.length) }))
    .sort((a, b) => compareNatural(a.input, b.input));
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

function commonParent(paths: readonly string[]): string {
  let parent = parentOf(paths[0] ?? "");
  for (const path of paths) {
    while (!path.startsWith(parent)) parent = parentOf(parent.slice(0, -1));
  }
  return parent;
}
