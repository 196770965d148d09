import { isAbsolute, relative, resolve } from "node:path";
import { AssayError } from "@assay/core";

/** Throws E_USAGE where the folder in which the command was typed has been removed since. */
export function currentFolder(): string {
  try {
    return process.cwd();
  } catch (cause) {
    throw new AssayError("E_USAGE", "the current folder is gone, and a path begins there", {
      expected: "a folder that exists, or whole paths",
      next: "cd to a folder that exists",
      cause,
    });
  }
}

/** A path as it was typed, from the root of this machine on. Throws E_USAGE as `currentFolder` does. */
export function absolutePath(path: string): string {
  return isAbsolute(path) ? resolve(path) : resolve(currentFolder(), path);
}

/** For people: without the current folder where the path lies below it. */
export function nearPath(path: string): string {
  try {
    const near = relative(process.cwd(), path);
    return near.startsWith("..") ? path : near;
  } catch {
    return path;
  }
}
