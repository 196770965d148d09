import { crc32 } from "node:zlib";
import type { ColumnMetaData, PageHeader, SchemaTree } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { decompressPage } from "hyparquet/src/datapage.js";
import { readRleBitPackedHybrid } from "hyparquet/src/encoding.js";
import { getMaxDefinitionLevel, getMaxRepetitionLevel } from "hyparquet/src/schema.js";
import { decompressors } from "./decompressors.ts";

/** Longer arrays end the process: V8 has none. */
const mostValues = 2 ** 27;

/**
 * Looks at the pages of one column chunk before the Parquet library reads them: sizes, counts and, where there is one,
 * checksum of every page header, and how many values the runs of its levels and indices claim. The library believes
 * these numbers, and a damaged one keeps it busy for ever or makes it ask for more memory than there is. Values are not
 * looked at. Costs each page a second unpacking. Throws with words of ours.
 */
export function checkPages(
  bytes: Uint8Array,
  column: ColumnMetaData,
  { path, rows }: { path: readonly SchemaTree[]; rows: number },
): void {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
  let left = Number(column.num_values);
  let dictionary = 0;
  const isFlat = getMaxRepetitionLevel([...path]) === 0;
  if (!isWithin(left, mostValues) || (isFlat && left !== rows)) throw damaged("the number of values of a column");
  // as far as the library reads
  while (reader.offset < bytes.length - 1 && (!isFlat || left > 0)) {
    const at = reader.offset;
    const header = parquetHeader(reader);
    const { compressed_page_size: packed, uncompressed_page_size: unpacked } = header;
    const values = valuesOf(header);
    if (!isWithin(packed, bytes.length - reader.offset)) throw damaged(`the size of the page at byte ${at}`);
    if (!isWithin(unpacked, Number(column.total_uncompressed_size)))
      throw damaged(`the unpacked size of the page at byte ${at}`);
    const page = bytes.subarray(reader.offset, reader.offset + packed);
    reader.offset += packed;
    // Spark's writers put one, others need not; no reader of Parquet has to look
    if (header.crc !== undefined && crc32(page) !== header.crc >>> 0)
      throw damaged(`the checksum of the page at byte ${at}`);
    if (header.type === "DICTIONARY_PAGE") {
      // the shortest value has a bit
      if (!isWithin(values, unpacked * 8)) throw damaged(`the number of values of the dictionary at byte ${at}`);
      dictionary = values;
      continue;
    }
    if (!isWithin(values, left)) throw damaged(`the number of values of the page at byte ${at}`);
    left -= values;
    checkRuns(page, header, column, { path, dictionary });
  }
}

function valuesOf(header: PageHeader): number {
  const { data_page_header: v1, data_page_header_v2: v2, dictionary_page_header: dictionary } = header;
  if (header.type === "DICTIONARY_PAGE") return dictionary?.num_values ?? -1;
  return (header.type === "DATA_PAGE" ? v1?.num_values : v2?.num_values) ?? -1;
}

function isWithin(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= most;
}

function damaged(what: string): Error {
  return new Error(`${what} cannot be right`);
}

function checkRuns(
  bytes: Uint8Array,
  header: PageHeader,
  column: ColumnMetaData,
  { path, dictionary }: { path: readonly SchemaTree[]; dictionary: number },
): void {
  const levels = [getMaxRepetitionLevel([...path]), getMaxDefinitionLevel([...path])];
  const { codec } = column;
  if (header.type === "DATA_PAGE") {
    const { num_values: values, encoding } = header.data_page_header ?? { num_values: 0, encoding: "PLAIN" };
    const page = decompressPage(bytes, header.uncompressed_page_size, codec, decompressors);
    let at = 0;
    let filled = values;
    for (const [i, most] of levels.entries()) {
      if (most === 0) continue;
      const end = at + 4 + lengthAt(page, at);
      checkHybrid(page, at + 4, end, widthOf(most), values);
      if (i === 1) filled = countOf(page.subarray(at + 4, end), widthOf(most), values, most);
      at = end;
    }
    checkValues(page, at, { encoding, column, dictionary, values: filled });
    return;
  }
  const v2 = header.data_page_header_v2;
  if (v2 === undefined) throw damaged("a page of no known kind");
  const { num_values: values, definition_levels_byte_length: defined, repetition_levels_byte_length: repeated } = v2;
  // a page of fewer than no rows is skipped, and its cells are null
  if (!isWithin(v2.num_rows, values)) throw damaged("the number of rows of a page");
  if (!isWithin(repeated, bytes.length) || !isWithin(defined, bytes.length - repeated))
    throw damaged("the length of a page's levels");
  const [repetition = 0, definition = 0] = levels;
  if (repetition > 0) checkHybrid(bytes, 0, repeated, widthOf(repetition), values);
  if (definition > 0) checkHybrid(bytes, repeated, repeated + defined, widthOf(definition), values);
  const own = bytes.subarray(repeated, repeated + defined);
  const filled = definition > 0 ? countOf(own, widthOf(definition), values, definition) : values;
  if (v2.num_nulls !== values - filled) throw damaged("the number of nulls of a page");
  const rest = bytes.subarray(repeated + defined);
  const size = header.uncompressed_page_size - repeated - defined;
  const page = v2.is_compressed === false ? rest : decompressPage(rest, size, codec, decompressors);
  checkValues(page, 0, { encoding: v2.encoding, column, dictionary, values: filled });
}

/** Indices into the dictionary, and booleans, come in runs; what comes plain is bounded by the page. */
function checkValues(
  page: Uint8Array,
  at: number,
  of: { encoding: string; column: ColumnMetaData; dictionary: number; values: number },
): void {
  const { encoding, column, dictionary, values } = of;
  if (values === 0 || !/DICTIONARY|RLE/.test(encoding)) return;
  if (dictionary === 0 && /DICTIONARY/.test(encoding)) throw damaged("a page of indices into no dictionary");
  const isBoolean = column.type === "BOOLEAN";
  const width = isBoolean ? 1 : (page[at] ?? 0);
  if (width > 32) throw damaged("the width of a page's indices");
  if (isBoolean) checkHybrid(page, at + 4, at + 4 + lengthAt(page, at), width, values);
  else if (width > 0) checkHybrid(page, at + 1, page.length, width, values);
}

function lengthAt(page: Uint8Array, at: number): number {
  if (at + 4 > page.length) throw damaged("the length of a page's levels");
  return new DataView(page.buffer, page.byteOffset + at, 4).getUint32(0, true);
}

/** The runs of an RLE/bit-packed hybrid: each ends within `end`, and together they are the values, but for the filling of the last. */
function checkHybrid(page: Uint8Array, from: number, end: number, width: number, values: number): void {
  if (end > page.length) throw damaged("the length of a page's levels");
  let at = from;
  for (let seen = 0; seen < values; ) {
    let run = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = page[at] ?? 0;
      if (at >= end || shift > 28) throw damaged("a run of a page");
      at += 1;
      run += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    const count = Math.floor(run / 2);
    const packed = run % 2 === 1;
    at += packed ? count * width : Math.ceil(width / 8);
    // writers may leave the filling of the last packed run out
    if (count === 0 || (!packed && (at > end || count > values - seen))) throw damaged("a run of a page");
    seen += packed ? count * 8 : count;
    if (packed && seen - values >= 8 * Math.max(1, count)) throw damaged("a run of a page");
  }
}

/** How many of the definition levels say that there is a value. */
function countOf(levels: Uint8Array, width: number, values: number, most: number): number {
  const found = new Array<number>(values);
  const view = new DataView(levels.buffer, levels.byteOffset, levels.byteLength);
  readRleBitPackedHybrid({ view, offset: 0 }, width, found, levels.length);
  return found.reduce((count, level) => count + (level === most ? 1 : 0), 0);
}

function widthOf(most: number): number {
  return 32 - Math.clz32(most);
}
