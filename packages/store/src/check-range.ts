import { AssayError } from "@assay/core";

/** A range is asked for by our own code: one that reaches outside is its mistake. Throws E_INTERNAL. */
export function checkRange(where: string, size: number, from: number, to: number): void {
  if (Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && from <= to && to <= size) return;
  throw new AssayError("E_INTERNAL", "a range outside of what is read", {
    where,
    expected: `within 0 to ${size}`,
    got: `${from} to ${to}`,
  });
}
