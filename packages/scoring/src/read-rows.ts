import { AssayError, type BatchFile, parseRows, type RowsLine, rowsKey, sha256 } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { unzip } from "./gzip.ts";

/** What a chunk asks, checked against the plan's hash before a byte of it is believed. Memory: one chunk (16 MiB at most, or one larger line). */
export async function readRows(store: ObjectStore, file: BatchFile, chunk: number): Promise<RowsLine[]> {
  const key = rowsKey(file.batch, chunk);
  const zipped = await store.get(key);
  if (zipped === null) throw new AssayError("E_BROKEN", "a chunk's rows are gone", { where: key });
  let bytes: Uint8Array;
  try {
    bytes = await unzip(zipped);
  } catch (cause) {
    throw new AssayError("E_BROKEN", "a chunk's rows cannot be unpacked", { where: key, cause });
  }
  const expected = file.chunks[chunk]?.sha256;
  const got = sha256(bytes);
  if (got !== expected) {
    throw new AssayError("E_BROKEN", "a chunk's rows are not those of the plan", {
      where: key,
      expected: expected ?? "no such chunk",
      got,
    });
  }
  return parseRows(bytes);
}
