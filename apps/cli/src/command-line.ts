import { existsSync } from "node:fs";

/** A command for people to copy: with the root when it came by flag, and the name that works where they stand. */
export function commandLine(words: readonly string[], root: string | undefined): string {
  const all = [commandName(), ...words, ...(root === undefined ? [] : ["--root", root])];
  return all.map(quoted).join(" ");
}

/** In a clone nothing is on PATH yet. */
function commandName(): string {
  return existsSync("assay") && existsSync("apps/cli") ? "./assay" : "assay";
}

function quoted(word: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
