import type { Compressors } from "hyparquet";
import { compressors } from "hyparquet-compressors";

/**
 * What unpacks the pages of a Parquet file. A page of nothing, as the dictionary of a column that is all null, is nothing:
 * the library's LZ4 looks for a match in it, and fails.
 */
export const decompressors: Compressors = Object.fromEntries(
  Object.entries(compressors).map(([codec, unpack]) => [
    codec,
    (packed: Uint8Array, length: number) => (length === 0 ? new Uint8Array() : unpack(packed, length)),
  ]),
);
