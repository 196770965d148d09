import type { AsyncBuffer, AsyncRowGroup, ColumnMetaData, FileMetaData, RowGroup, SchemaTree } from "hyparquet";
import { parquetReadAsync } from "hyparquet/src/read.js";
import { assembleAsync, asyncGroupToRows } from "hyparquet/src/rowgroup.js";
import { getTreePath } from "hyparquet/src/schema.js";
import { checkPages } from "./check-pages.ts";
import { decompressors } from "./decompressors.ts";
import { plainParsers } from "./parquet-cells.ts";
import { plainLeaves, withRawDecimals } from "./plain-leaves.ts";

/**
 * The rows of one row group, `rowStart` to `rowEnd` of the file, with the `columns` that are named. Its pages are looked
 * at before they are read. Ends for any bytes, and rejects with whatever is wrong; of several columns that cannot be read
 * at once no rejection is left to nobody, as the library's own readers leave it, since that ends the process.
 */
export async function readRowGroup(
  file: AsyncBuffer,
  metadata: FileMetaData,
  of: {
    readonly group: RowGroup;
    readonly schema: SchemaTree;
    readonly columns: readonly string[];
    readonly rowStart: number;
    readonly rowEnd: number;
  },
): Promise<{ [column: string]: unknown }[]> {
  const { schema, rowStart, rowEnd } = of;
  const columns = [...of.columns];
  const checked = checking(file, of.group.num_rows, chunksOf(of));
  const options = {
    file: checked,
    metadata: withRawDecimals(metadata),
    columns,
    rowStart,
    rowEnd,
    compressors: decompressors,
    parsers: plainParsers,
    utf8: false,
  };
  try {
    const rows: { [column: string]: unknown }[] = [];
    const read = parquetReadAsync(options);
    for (const group of read) letNobodyBeSurprised(group);
    const groups = read.map((group) => plainLeaves(group, schema));
    for (const group of groups) letNobodyBeSurprised(group);
    for (const group of groups) {
      const assembled = assembleAsync(group, schema, plainParsers);
      letNobodyBeSurprised(assembled);
      const start = Math.max(rowStart - group.groupStart, 0);
      const end = Math.min(rowEnd - group.groupStart, group.groupRows);
      // one group, but for an empty one that begins at the same row
      for (const row of await asyncGroupToRows(assembled, start, end, columns, "object")) rows.push(row);
    }
    if (checked.failed() !== null) throw checked.failed();
    return rows;
  } catch (cause) {
    throw checked.failed() ?? cause;
  }
}

interface ColumnChunkPlace {
  readonly column: ColumnMetaData;
  readonly path: readonly SchemaTree[];
}

/** The chunks that are read. Throws for one that is in no schema, which the library would find when it reads others already. */
function chunksOf(of: { group: RowGroup; schema: SchemaTree; columns: readonly string[] }): ColumnChunkPlace[] {
  return of.group.columns.flatMap(({ meta_data: column }) =>
    column === undefined || !of.columns.includes(column.path_in_schema[0] ?? "")
      ? []
      : [{ column, path: getTreePath(of.schema, column.path_in_schema) }],
  );
}

/** Every rejection has somebody who hears of it; who awaits the column hears of it all the same. */
function letNobodyBeSurprised({ asyncColumns }: AsyncRowGroup): void {
  for (const { data } of asyncColumns) data.catch(() => {});
}

/**
 * The file, whose column chunks of one row group are looked at as they come and before they are read. What goes wrong
 * is kept in `failed` and its bytes come as zeros, upon which the library stops.
 */
function checking(
  file: AsyncBuffer,
  rows: bigint,
  chunks: readonly ColumnChunkPlace[],
): AsyncBuffer & { failed(): unknown } {
  let failed: unknown = null;

  function check(bytes: ArrayBuffer, from: number): void {
    for (const { column, path } of chunks) {
      const start = Number(column.dictionary_page_offset || column.data_page_offset) - from;
      const end = start + Number(column.total_compressed_size);
      if (start < 0 || end > bytes.byteLength || end <= start) continue;
      checkPages(new Uint8Array(bytes, start, end - start), column, { path, rows: Number(rows) });
    }
  }

  return {
    byteLength: file.byteLength,
    failed: () => failed,
    async slice(from, to = file.byteLength) {
      try {
        const bytes = await file.slice(from, to);
        check(bytes, from);
        return bytes;
      } catch (error) {
        failed ??= error;
        return new ArrayBuffer(Math.max(0, Math.min(to, file.byteLength) - from));
      }
    },
  };
}
