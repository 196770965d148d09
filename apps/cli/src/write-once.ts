import { randomBytes } from "node:crypto";
import { type FileHandle, open, realpath, rename, stat, unlink } from "node:fs/promises";
import { AssayError, isAssayError } from "@assay/core";

/** A file that is written from its start to its end, or stays empty. */
export interface Sink {
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Writes a new file. What stands there already is never overwritten, unless it is empty (as after a failed try, or
 * from mktemp). The name is taken at once, and stays empty until all is written beside it: a failure or a kill leaves
 * no half export under the name, and of two at once the first that ends has it. Throws E_USAGE, E_DENIED,
 * E_STORE_UNAVAILABLE.
 */
export async function writeOnce<T>(path: string, work: (sink: Sink) => Promise<T>): Promise<T> {
  const { target, mode } = await takeName(path);
  const part = `${target}.${randomBytes(4).toString("hex")}.part`;
  const file = await open(part, "wx", mode).catch((error: unknown) => {
    throw writeError(error, path);
  });
  try {
    const made = await writeDurably(file, path, work);
    // between this look and the next step another may end: then the name is the last one's, and whole all the same
    const { size } = await stat(target).catch(() => ({ size: 0 }));
    if (size > 0) throw refuseWritten(path);
    await rename(part, target);
    return made;
  } catch (error) {
    await unlink(part).catch(() => {});
    throw error;
  }
}

async function writeDurably<T>(file: FileHandle, path: string, work: (sink: Sink) => Promise<T>): Promise<T> {
  const named = (error: unknown): never => {
    throw writeError(error, path);
  };
  try {
    const made = await work({ write: (bytes) => file.writeFile(bytes).catch(named) });
    // where space is given out late, as on network file systems, it is here that it turns out to be gone
    await file.sync().catch(named);
    return made;
  } finally {
    await file.close();
  }
}

/** An empty file of this name, behind links, and who may read it. */
async function takeName(path: string): Promise<{ target: string; mode: number }> {
  try {
    await open(path, "wx").then((file) => file.close());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw writeError(error, path);
  }
  try {
    const target = await realpath(path);
    const found = await stat(target);
    if (found.isDirectory()) throw Object.assign(new Error("a folder"), { code: "EISDIR" });
    if (found.size > 0 || !found.isFile()) throw refuseWritten(path);
    return { target, mode: found.mode & 0o777 };
  } catch (error) {
    throw isAssayError(error) ? error : writeError(error, path);
  }
}

function refuseWritten(where: string): AssayError {
  return new AssayError("E_USAGE", "this file exists already, and nothing was overwritten", {
    where,
    next: "choose another name, or remove the file",
  });
}

/** What the system says of a write, with the file's name. */
export function writeError(cause: unknown, where: string): AssayError {
  const got = (cause as NodeJS.ErrnoException).code ?? String(cause);
  if (got === "ENOENT") return new AssayError("E_USAGE", "the folder for this file does not exist", { where, cause });
  if (got === "EISDIR") return new AssayError("E_USAGE", "this is a folder", { where, expected: "a file", cause });
  if (got === "EACCES" || got === "EPERM" || got === "EROFS")
    return new AssayError("E_DENIED", "this file may not be written", { where, got, cause });
  return new AssayError("E_STORE_UNAVAILABLE", "this file cannot be written", {
    where,
    got: got === "ENOSPC" ? "ENOSPC: no space is left" : got,
    next: "make room, or choose another place",
    cause,
  });
}
