import { type FileHandle, open } from "node:fs/promises";
import { AssayError } from "@assay/core";

/** A file that is written from its start to its end, or stays empty. */
export interface Sink {
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Writes a new file. What stands there already is never overwritten, unless it is empty (as after a failed try, or
 * from mktemp); a failure leaves it empty, so that nobody takes half an export for a whole one. Throws E_USAGE,
 * E_DENIED, E_STORE_UNAVAILABLE.
 */
export async function writeOnce<T>(path: string, work: (sink: Sink) => Promise<T>): Promise<T> {
  const file = await openEmpty(path);
  try {
    const made = await work({
      async write(bytes) {
        await file.writeFile(bytes).catch((error: unknown) => {
          throw writeError(error, path);
        });
      },
    });
    await file.sync();
    return made;
  } catch (error) {
    await file.truncate(0).catch(() => {});
    throw error;
  } finally {
    await file.close();
  }
}

async function openEmpty(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw writeError(error, path);
  }
  const file = await open(path, "r+").catch((error: unknown) => {
    throw writeError(error, path);
  });
  const { size } = await file.stat();
  if (size === 0) return file;
  await file.close();
  throw new AssayError("E_USAGE", "this file exists already, and nothing was overwritten", {
    where: path,
    next: "choose another name, or remove the file",
  });
}

function writeError(cause: unknown, where: string): AssayError {
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
