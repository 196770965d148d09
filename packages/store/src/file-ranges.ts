import { open } from "node:fs/promises";
import { AssayError, type RangeReader } from "@assay/core";
import { checkRange } from "./check-range.ts";

/** A file by ranges, held open until `close`. Rejects with the system's errors, E_INPUT_CHANGED when it became shorter. */
export async function fileRanges(path: string): Promise<RangeReader> {
  const file = await open(path);
  const { size } = await file.stat();
  return {
    size,
    async read(from, to) {
      checkRange(path, size, from, to);
      const bytes = new Uint8Array(to - from);
      let got = 0;
      while (got < bytes.length) {
        const { bytesRead } = await file.read(bytes, got, bytes.length - got, from + got);
        if (bytesRead === 0) throw new AssayError("E_INPUT_CHANGED", "the file became shorter", { where: path });
        got += bytesRead;
      }
      return bytes;
    },
    close: () => file.close(),
  };
}
