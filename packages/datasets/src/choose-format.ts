import type { InputBytes } from "@assay/core";
import { isCsv } from "./choose-inputs.ts";
import { fileFormat, peek, signatureBytes } from "./decompress.ts";
import { importerOf } from "./detect-format.ts";
import type { Importer } from "./importer.ts";
import { records } from "./importers/records.ts";
import { importers } from "./importers.ts";
import { parquetColumns } from "./read-parquet.ts";
import { isRecord, readPacked } from "./read-records.ts";

/** Records that are looked at before an input is taken for one that tells nothing. */
const maxLooked = 1_000;

/**
 * The format of the inputs, by the field names of the first record that can be read: of Parquet its columns. Reads no
 * further than that. Throws what reading throws, and E_USAGE when two formats claim those names.
 */
export async function chooseFormat(
  inputs: readonly (InputBytes & { readonly input: string; readonly where: string })[],
): Promise<Importer> {
  for (const source of inputs) {
    const fields = await firstFields(source, source);
    if (fields !== null) return importerOf(fields, source.input, source.where);
  }
  return records;
}

async function firstFields(
  source: InputBytes,
  { input, where }: { readonly input: string; readonly where: string },
): Promise<readonly string[] | null> {
  const { head, close } = await peek(await source.open(), (seen) => seen.length >= signatureBytes);
  await close();
  if (fileFormat(head) === "parquet") {
    const ranges = await source.ranges();
    try {
      return await parquetColumns(ranges, where);
    } finally {
      await ranges.close();
    }
  }
  // what any format cuts out may be too large for a reader that does not know the format yet
  const cut = importers.flatMap((importer) => importer.cut ?? []);
  let looked = 0;
  for await (const batch of readPacked(source, { input, where, csv: isCsv(input), cut })) {
    const first = batch.records.find(isRecord);
    if (first !== undefined) return Object.keys(first.parsed.value);
    looked += batch.records.length;
    if (looked > maxLooked) break;
  }
  return null;
}
