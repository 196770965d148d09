import { AssayError, isAssayError } from "@assay/core";

/** What the system says about an input, as one of ours: E_INPUT_MISSING, E_DENIED or E_INPUT_UNREADABLE. */
export function inputError(cause: unknown, where: string): AssayError {
  if (isAssayError(cause)) return cause;
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  if (code === "ENOENT") return new AssayError("E_INPUT_MISSING", "this input is not there", { where, cause });
  if (code === "EACCES" || code === "EPERM")
    return new AssayError("E_DENIED", "this input may not be read", { where, got: code, cause });
  return new AssayError("E_INPUT_UNREADABLE", "this input cannot be read", { where, got: code, cause });
}
