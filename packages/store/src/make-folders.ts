import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { codeOf } from "./call-directory.ts";

/**
 * Makes a folder and those above it that are not there. Resolves to the topmost one that was made, null where all were
 * there. Throws the system's errors.
 *
 * Not `recursive` of node:fs: at ENOENT that one steps back and at EEXIST forward, so it spins for ever where a folder
 * is there in which nothing can be made, as in /proc or behind a mount that was taken away.
 */
export async function makeFolders(path: string, mode?: number): Promise<string | null> {
  try {
    return (await makeFolder(path, mode)) ? path : null;
  } catch (error) {
    if (codeOf(error) !== "ENOENT" || dirname(path) === path) throw error;
  }
  const topmost = await makeFolders(dirname(path), mode);
  return (await makeFolder(path, mode)) ? (topmost ?? path) : topmost;
}

/** False where it is there already. */
async function makeFolder(path: string, mode: number | undefined): Promise<boolean> {
  try {
    await mkdir(path, { mode });
    return true;
  } catch (error) {
    // what is there is EEXIST on most file systems, and on some what forbids to make it
    const found = codeOf(error) === "ENOENT" ? null : await stat(path).catch(() => null);
    if (found?.isDirectory() === true) return false;
    throw error;
  }
}
