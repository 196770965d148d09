import { existsSync } from "node:fs";
import { join } from "node:path";

/** A command for people to copy: by a `name` that works where they stand, and with the root when it came by flag. */
export function commandLine(words: readonly string[], root: string | undefined, name = commandName()): string {
  const all = [name, ...words, ...(root === undefined ? [] : ["--root", root])];
  return all.map(shellWord).join(" ");
}

/** As the script `assay` was called. Without it, in a clone (`folder`) nothing is on PATH yet. */
export function commandName(called = process.env.ASSAY_CALLED_AS, folder = "."): string {
  if (called !== undefined && called !== "") return called;
  return existsSync(join(folder, "assay")) && existsSync(join(folder, "apps/cli")) ? "./assay" : "assay";
}

/** One word to every POSIX shell and zsh: nothing in it is a pattern, a variable or, as zsh reads a leading =, a command. */
export function shellWord(word: string): string {
  return /^[\w@%+:,./-][\w@%+=:,./-]*$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
