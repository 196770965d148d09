import { AssayError } from "@assay/core";
import { fileFormat } from "./decompress.ts";
import { firstLetter } from "./first-letter.ts";

/** Bytes that are needed to tell. */
export const stubBytes = 64;

/**
 * Refuses what stands in the place of a file: the pointer of one that Git LFS has not fetched, nothing at all where a
 * name says Parquet, gzip or zstd, none of which is ever empty, a text of another kind under the name of a Parquet file,
 * and one that is encrypted. Read as lines, such a file is a few bad records or none, and its own records are missed by
 * nobody. `head` are its first bytes as they lie there. Throws E_INPUT_UNREADABLE.
 */
export function refuseNoData(
  head: Uint8Array,
  { input, where }: { readonly input: string; readonly where: string },
): void {
  const text = Buffer.from(head.subarray(0, stubBytes)).toString("latin1");
  const refused = (message: string, next?: string): AssayError =>
    new AssayError("E_INPUT_UNREADABLE", message, next === undefined ? { where } : { where, next });
  if (text.startsWith("version https://git-lfs"))
    throw refused("this is a pointer of Git LFS, and not the file", "git lfs pull, in its clone");
  if (text.startsWith("PARE")) throw refused("this is an encrypted Parquet file", "write it anew without encryption");
  const packed = /\.(parquet|gz|zst)$/i.exec(input)?.[1]?.toLowerCase();
  if (packed === undefined) return;
  if (head.length === 0) throw refused(`this is an empty file, which a whole one named .${packed} never is`);
  const letter = firstLetter(head);
  // lines and arrays of JSON are told by themselves, whatever the name
  if (packed === "parquet" && fileFormat(head) === "plain" && letter !== 0x7b && letter !== 0x5b)
    throw refused("this is a file of another kind, and its name says Parquet");
}
