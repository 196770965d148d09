import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { isAbsolute, join, resolve, sep } from "node:path";
import { AssayError } from "@assay/core";
import { globBase, inputKinds, isGlob, passedOver, pickInputs, readGlob } from "@assay/datasets";
import { absolutePath, currentFolder } from "./current-folder.ts";
import { inputError } from "./input-error.ts";

export interface LocalInput {
  /** absolute */
  readonly path: string;
  /** it can be read only once */
  readonly isPipe: boolean;
}

/** Is told what a folder or prefix holds that may be records and is not read, since it is of another kind; mostly nothing. */
export type OnPassedOver = (input: string, paths: readonly string[]) => void;

/**
 * What an argument means on this machine: a file or pipe, whatever characters its name has; what a folder is read for; or
 * the files that match a pattern. Hidden files of folders and patterns are left out: `._x.jsonl` of a Mac is no data.
 * Links to files are followed (caches of data sets are made of them), links to folders not. A chosen name that turns out
 * to be no file, such as a link that leads nowhere, is an error: it would be missed only in the morning. Throws
 * E_INPUT_MISSING, E_DENIED, E_INPUT_UNREADABLE, and E_USAGE where the current folder is gone.
 */
export async function findLocalInputs(input: string, onPassedOver: OnPassedOver = () => {}): Promise<LocalInput[]> {
  const path = absolutePath(input);
  // a pattern may be longer than any name
  const found = await stat(path).catch(missingIsNull(input, isGlob(input) ? ["ENAMETOOLONG"] : []));
  if (found?.isDirectory() === true) {
    const below = await listBelow(path, () => true);
    const picked = pickInputs([...below.keys()]);
    if (picked.length > 0) onPassedOver(input, passedOver([...below.keys()], picked));
    return readable(below, picked, input, `in this folder ${inputKinds}`);
  }
  if (found?.isFile() === true || found?.isFIFO() === true) return [{ path, isPipe: found.isFIFO() }];
  if (found !== null) {
    throw new AssayError("E_INPUT_UNREADABLE", "this input is a device or a socket", {
      where: input,
      expected: "a file, a folder or a pipe; - for stdin",
    });
  }
  if (!isGlob(input)) throw new AssayError("E_INPUT_MISSING", "this input does not exist", { where: input });
  // where people stand has a name, too, and no wildcard in it
  const here = isAbsolute(input) ? "" : currentFolder().replace(/[*?[]/g, "[$&]");
  const pattern = resolve(here, input).split(sep).join("/");
  const { matches, reaches } = readGlob(pattern);
  const below = await listBelow(globBase(pattern) || "/", (folder) => reaches(folder.split(sep).join("/")));
  const matching = [...below.keys()].filter((file) => matches(file.split(sep).join("/")));
  return readable(below, matching, input, "files that match this pattern");
}

/** Throws where one of the chosen ones is no file, and where none is chosen. */
async function readable(
  below: ReadonlyMap<string, boolean>,
  chosen: readonly string[],
  input: string,
  expected: string,
): Promise<LocalInput[]> {
  for (const path of chosen) if (below.get(path) === false) await assertFile(path);
  if (chosen.length === 0)
    throw new AssayError("E_INPUT_MISSING", "no input file was found", { where: input, expected });
  return chosen.map((path) => ({ path, isPipe: false }));
}

async function assertFile(where: string): Promise<void> {
  const found = await stat(where).catch(missingIsNull(where));
  if (found?.isFile() === true) return;
  const leaveOut = "leave it out, or name the other inputs one by one";
  if (found !== null) {
    throw new AssayError("E_INPUT_UNREADABLE", "among these inputs is one that is no file", {
      where,
      expected: "files; a pipe is named by itself",
      next: leaveOut,
    });
  }
  // bytes that are no UTF-8 reach us as U+FFFD, which names no file
  if (where.includes("\ufffd"))
    throw new AssayError("E_INPUT_UNREADABLE", "the name of this input is no UTF-8", { where, next: "rename it" });
  throw new AssayError("E_INPUT_MISSING", "this link leads nowhere", { where, next: `mend the link, or ${leaveOut}` });
}

/** All names below a folder that may be inputs; true where it is known to be a file. */
async function listBelow(folder: string, reaches: (folder: string) => boolean): Promise<Map<string, boolean>> {
  const found = new Map<string, boolean>();
  const folders = [folder];
  // folders are added while they are walked through
  for (const one of folders) {
    const entries = (await readdir(one, { withFileTypes: true }).catch(missingIsNull(one))) ?? [];
    for (const entry of entries) {
      if (entry.name.startsWith(".")) continue;
      const path = join(one, entry.name);
      const kind = await kindOf(entry, path);
      if (kind !== "folder") found.set(path, kind === "file");
      else if (!entry.isSymbolicLink() && reaches(path)) folders.push(path);
    }
  }
  return found;
}

async function kindOf(entry: Dirent, path: string): Promise<"file" | "folder" | "unknown"> {
  if (entry.isDirectory()) return "folder";
  if (entry.isFile()) return entry.name.includes("\ufffd") ? "unknown" : "file";
  if (!entry.isSymbolicLink()) return "unknown";
  // a link that leads nowhere, in a circle, or where we may not look matters only where it is chosen
  const found = await stat(path).catch(() => null);
  return found?.isDirectory() === true ? "folder" : found?.isFile() === true ? "file" : "unknown";
}

function missingIsNull(where: string, more: readonly string[] = []): (error: unknown) => null {
  return (error) => {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (["ENOENT", "ENOTDIR", ...more].includes(code)) return null;
    throw inputError(error, where);
  };
}
