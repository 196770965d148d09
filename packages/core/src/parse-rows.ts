import { AssayError } from "./error.ts";
import type { RowsLine } from "./row.ts";

/**
 * The lines of a chunk. The bytes are our own and their hash was checked, so only the shape that the caller relies on
 * is looked at. Throws E_BROKEN when a line is none of ours or the last one is cut.
 */
export function parseRows(bytes: Uint8Array): RowsLine[] {
  const lines = decode(bytes).split("\n");
  // every line has its newline: what stands behind the last one is a line that was cut
  if (lines.pop() !== "") throw broken(lines.length + 1);
  return lines.map((line, i) => {
    const parsed = parse(line, i + 1);
    const ours =
      typeof parsed?.row_index === "number" &&
      ("bad" in parsed || ("principles" in parsed && Array.isArray(parsed.principles)));
    if (!ours) throw broken(i + 1);
    return parsed as RowsLine;
  });
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AssayError("E_BROKEN", "the bytes of rows/ are not UTF-8", { cause });
  }
}

function parse(line: string, number: number): Partial<RowsLine> | null {
  try {
    return JSON.parse(line) as Partial<RowsLine> | null;
  } catch {
    // without its cause, whose message quotes the line
    throw broken(number);
  }
}

function broken(line: number): AssayError {
  return new AssayError("E_BROKEN", "a line of rows/ is not one of ours", { where: `line ${line}` });
}
