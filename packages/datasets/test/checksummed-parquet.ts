import { crc32 } from "node:zlib";
import { type ColumnMetaData, parquetMetadata } from "hyparquet";
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
    const start = Number(column.dictionary_page_offset ?? column.data_page_offset);
    const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: start };
    const begin = writer.offset;
    let firstData: number | null = null;
    while (reader.offset < start + Number(column.total_compressed_size)) {
      const header = parquetHeader(reader);
      const page = bytes.subarray(reader.offset, reader.offset + header.compressed_page_size);
      reader.offset += page.length;
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
