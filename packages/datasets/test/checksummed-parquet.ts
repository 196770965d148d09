import { crc32 } from "node:zlib";
import { type ColumnMetaData, type PageHeader, parquetMetadata } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { ByteWriter } from "hyparquet-writer";
import { writePageHeader } from "hyparquet-writer/src/datapage.js";
import { writeMetadata } from "hyparquet-writer/src/metadata.js";

const magic = 0x31_52_41_50;

/** The same file with a checksum in the header of every page, which the library's writer leaves out. */
export function checksummed(bytes: Uint8Array): Uint8Array {
  const footer = parquetMetadata(Uint8Array.from(bytes).buffer);
  const writer = new ByteWriter();
  writer.appendUint32(magic);

  function copied(column: ColumnMetaData | undefined): ColumnMetaData {
    if (column === undefined) throw new Error("a column chunk without metadata");
    const begin = writer.offset;
    let firstData: number | null = null;
    for (const { header, from, to } of pagesOf(bytes, column)) {
      const page = bytes.subarray(from, to);
      if (header.type !== "DICTIONARY_PAGE") firstData ??= writer.offset;
      writePageHeader(writer, { ...header, crc: crc32(page) | 0 });
      writer.appendBytes(page);
    }
    return {
      ...column,
      ...(firstData === begin ? {} : { dictionary_page_offset: BigInt(begin) }),
      data_page_offset: BigInt(firstData ?? begin),
      total_compressed_size: BigInt(writer.offset - begin),
    };
  }

  const row_groups = footer.row_groups.map((group) => ({
    ...group,
    columns: group.columns.map(({ meta_data }) => ({ file_offset: 0n, meta_data: copied(meta_data) })),
  }));
  writeMetadata(writer, { ...footer, row_groups });
  writer.appendUint32(magic);
  return new Uint8Array(writer.getBytes());
}

/** Whether a byte stands where a checksum would tell a change of it: in a page, not in its header nor in the footer. */
export function isInPage(bytes: Uint8Array, at: number): boolean {
  const columns = parquetMetadata(Uint8Array.from(bytes).buffer).row_groups.flatMap((group) => group.columns);
  return columns
    .flatMap(({ meta_data }) => (meta_data === undefined ? [] : pagesOf(bytes, meta_data)))
    .some(({ from, to }) => at >= from && at < to);
}

/** A page, and where its bytes begin and end. */
interface Page {
  readonly header: PageHeader;
  readonly from: number;
  readonly to: number;
}

function pagesOf(bytes: Uint8Array, column: ColumnMetaData): Page[] {
  const start = Number(column.dictionary_page_offset ?? column.data_page_offset);
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: start };
  const pages: Page[] = [];
  while (reader.offset < start + Number(column.total_compressed_size)) {
    const header = parquetHeader(reader);
    const from = reader.offset;
    reader.offset += header.compressed_page_size;
    pages.push({ header, from, to: reader.offset });
  }
  return pages;
}
