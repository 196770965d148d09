import { existsSync } from "node:fs";
import { join } from "node:path";

/** A command for people to copy: with the root when it came by flag, and the name that works where they stand (`folder`). */
export function commandLine(words: readonly string[], root: string | undefined, folder = "."): string {
  const all = [commandName(folder), ...words, ...(root === undefined ? [] : ["--root", root])];
  return all.map(quoted).join(" ");
}

/** In a clone nothing is on PATH yet. */
function commandName(folder: string): string {
  return existsSync(join(folder, "assay")) && existsSync(join(folder, "apps/cli")) ? "./assay" : "assay";
}

function quoted(word: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
