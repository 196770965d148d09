import { AssayError, badAsValue, type InputBytes, type UserColumn } from "@assay/core";
import { isCsv } from "./choose-inputs.ts";
import { decompress, fileFormat, otherFormat, peek, signatureBytes } from "./decompress.ts";
import { importerOf } from "./detect-format.ts";
import { firstLetter } from "./first-letter.ts";
import type { Importer, Origin } from "./importer.ts";
import { csv } from "./importers/csv.ts";
import { records } from "./importers/records.ts";
import { isObject } from "./raw-fields.ts";
import { readCsv } from "./read-csv.ts";
import { readJsonArray } from "./read-json-array.ts";
import { type ReadRecord, type RecordBatch, readLines } from "./read-jsonl.ts";
import { readParquet } from "./read-parquet.ts";
import { refuseNoData, stubBytes } from "./refuse-no-data.ts";

/** Reads the records of one input, in order, each with its place; bad ones as values. */
export type ReadRecords = (
  source: InputBytes,
  options: { readonly where: string; readonly input: string },
) => AsyncGenerator<RecordBatch>;

export interface ReadSettings {
  /** the format was found, not named: every input is looked at again, and another format ends the reading */
  readonly detected: boolean;
  /** typed columns of the batch, the importer's and the user's */
  readonly columns: readonly UserColumn[];
  /** the user's --map */
  readonly map: { readonly [ours: string]: string };
}

/**
 * A reader for inputs of one format. How the bytes are packed is told by themselves: Parquet, gzip, zstd, one JSON
 * array, else JSON Lines; CSV by the file's name, or by the format csv. Memory: that of the packing's own reader.
 * Throws E_INPUT_UNREADABLE, and E_USAGE for an input of another format than was detected.
 */
export function recordReader(importer: Importer, { detected, columns, map }: ReadSettings): ReadRecords {
  return async function* read(source, { where, input }) {
    const origin: Origin = { input, columns, map };
    let toCheck = detected;
    const isTable = importer === csv || isCsv(input);
    for await (const batch of readPacked(source, { input, where, csv: isTable, cut: importer.cut ?? [] })) {
      const first = toCheck ? batch.records.find(isRecord) : undefined;
      if (first !== undefined) {
        refuseOther(importer, importerOf(Object.keys(first.parsed.value), input, where), where);
        toCheck = false;
      }
      // a Parquet file named *.csv has no cells of text
      if (importer === csv && batch.cells !== true) yield batch;
      else yield { ...batch, records: batch.records.map((record) => importRecord(record, importer, origin)) };
    }
  };
}

/** For inputs that are known to hold records of our own shape. */
export const readOwnRecords: ReadRecords = recordReader(records, { detected: false, columns: [], map: {} });

/** The records of an input as they stand in it, whatever it is packed in. */
export async function* readPacked(
  source: InputBytes,
  options: {
    readonly input: string;
    readonly where: string;
    readonly csv: boolean;
    readonly cut: readonly string[];
  },
): AsyncGenerator<RecordBatch> {
  const { where, csv, cut } = options;
  const { head, whole, close } = await peek(await source.open(), (seen) => seen.length >= stubBytes);
  // the cells of a table may begin with anything
  if (!csv || head.length === 0) await refuseOrClose(close, () => refuseNoData(head, options));
  if (fileFormat(head) === "parquet") {
    await close();
    const ranges = await source.ranges();
    try {
      yield* readParquet(ranges, { where, leaveOut: cut });
    } finally {
      await ranges.close();
    }
    return;
  }
  const begun = await peek(decompress(whole, where), (seen) => seen.length >= signatureBytes && isTold(seen));
  const packed = fileFormat(begun.head);
  if (packed !== "plain") {
    await begun.close();
    throw otherFormat(packed, where);
  }
  if (csv) yield* readCsv(begun.whole, { where });
  else if (firstLetter(begun.head) === 0x5b) yield* readJsonArray(begun.whole, { where });
  else yield* readLines(begun.whole, { cut });
}

async function refuseOrClose(close: () => Promise<void>, refuse: () => void): Promise<void> {
  try {
    refuse();
  } catch (error) {
    await close();
    throw error;
  }
}

/** Is this a record whose fields can be looked at? */
export function isRecord(record: ReadRecord): record is ReadRecord & { parsed: { ok: true; value: object } } {
  return record.parsed.ok && isObject(record.parsed.value);
}

function importRecord(read: ReadRecord, importer: Importer, origin: Origin): ReadRecord {
  const { parsed } = read;
  if (!parsed.ok || !isObject(parsed.value)) return read;
  const raw = parsed.value;
  const imported = badAsValue(() => {
    const { record, perResponse, note = parsed.note } = importer.toRecord(raw, origin);
    const more = { ...(perResponse === undefined ? {} : { perResponse }), ...(note === undefined ? {} : { note }) };
    return { ok: true as const, value: record, ...more };
  });
  return { ...read, parsed: imported };
}

function refuseOther(expected: Importer, found: Importer, where: string): void {
  if (found.name === expected.name) return;
  throw new AssayError("E_USAGE", "the inputs are of several formats", {
    where,
    expected: expected.name,
    got: found.name,
    next: `score them apart, or say how all of them are to be read: --format ${expected.name}`,
  });
}

/** An array may stand behind blank lines, but hardly behind pages of them. */
const maxBlankBytes = 4_096;

function isTold(seen: Uint8Array): boolean {
  return firstLetter(seen) !== undefined || seen.length >= maxBlankBytes;
}
