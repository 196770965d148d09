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

/** Does the path match a shell pattern? `*` and `?` stay within one part, `**` crosses parts, `[abc]` is a set. */
export function matchesGlob(path: string, pattern: string): boolean {
  return globPattern(pattern).test(path);
}

export function isGlob(text: string): boolean {
  return /[*?[]/.test(text);
}

/** The folder above the first part with a wildcard: where a walk has to begin. */
export function globBase(pattern: string): string {
  const parts = pattern.split("/");
  const first = parts.findIndex(isGlob);
  const base = parts.slice(0, first < 0 ? parts.length - 1 : first).join("/");
  return base === "" && pattern.startsWith("/") ? "/" : base;
}

function globPattern(pattern: string): RegExp {
  const source = pattern.replace(/\*\*\/?|\*|\?|\[!?[^\]/]+\]|[\\^$.+()|{}[\]]/g, (token) => {
    if (token === "**/") return "(?:.*/)?";
    if (token === "**") return ".*";
    if (token === "*") return "[^/]*";
    if (token === "?") return "[^/]";
    return token.length > 2 && token.startsWith("[") ? setPattern(token) : `\\${token}`;
  });
  return new RegExp(`^${source}$`, "su");
}

/** `[abc]`, `[a-z]`, `[!abc]`; a set never matches the "/" between parts. One that makes no sense matches nothing. */
function setPattern(token: string): string {
  const negated = /^\[[!^]./.test(token) && token.length > 3;
  const members = token.slice(negated ? 2 : 1, -1).replace(/[\\^[]/g, "\\$&");
  const set = `(?!/)[${negated ? "^" : ""}${members}]`;
  try {
    new RegExp(set, "u");
    return set;
  } catch {
    return "(?!)";
  }
}
