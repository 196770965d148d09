import { AssayError, classifyError, isAssayError } from "@assay/core";

/** Runs `work` unless the caller has stopped, and turns the system's errors into ours. */
export async function callDirectory<T>(
  directory: string,
  key: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const where = key === "" ? directory : `${directory}/${key}`;
  if (signal?.aborted === true) throw new AssayError("E_ABORTED", "stopped", { where });
  try {
    return await work();
  } catch (cause) {
    if (isAssayError(cause)) throw cause;
    const code = codeOf(cause);
    if (classifyError(cause) === "denied") {
      throw new AssayError("E_DENIED", "the directory's rights do not allow this", {
        where,
        got: code,
        cause,
        next: "check who owns the directory",
      });
    }
    // waiting mends none of these: a file where a folder has to be made, or a name the file system cannot hold
    if (code === "ENOTDIR" || code === "EEXIST" || code === "EISDIR" || code === "ENAMETOOLONG") {
      throw new AssayError("E_USAGE", "the directory cannot hold this name", {
        where,
        expected: "folders above it, nothing else under its name, and at most 255 bytes between slashes",
        got: code,
        cause,
        next: "choose another root, or take away what is in the way",
      });
    }
    throw new AssayError("E_STORE_UNAVAILABLE", "the directory does not work as a store", {
      where,
      got: code === "ENOSPC" ? "ENOSPC: no space is left" : code || String(cause),
      cause,
    });
  }
}

export function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? "");
}

/** Null where nothing of the name can be: absent, below a file, a folder, or longer than any name. */
export async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR" || code === "ENAMETOOLONG") return null;
    throw error;
  }
}
