import { AssayError, type RangeReader } from "@assay/core";
import {
  type AsyncBuffer,
  type ColumnMetaData,
  type FileMetaData,
  parquetMetadataAsync,
  parquetSchema,
  type RowGroup,
  type SchemaTree,
} from "hyparquet";
import { binaryColumns, plainCells } from "./parquet-cells.ts";
import type { ReadRecord, RecordBatch } from "./read-jsonl.ts";
import { readRowGroup } from "./read-row-group.ts";

/** Rows handed on at a time; a whole row group is decoded at once. */
const batchRows = 1_000;

/** Uncompressed bytes of a row group that is held decoded. pyarrow and DuckDB write far smaller ones by default. */
const maxGroupBytes = 1024 * 1024 * 1024;

/** Cells of a row group that is held decoded, each row itself counted as one. A dictionary makes millions of a few bytes. */
const maxGroupCells = 50_000_000;

/**
 * A Parquet file, its rows as records in order, nested columns as lists and objects; line is the row from 1. INT64
 * within 2^53 and decimals that a number holds are numbers, else text; dates and timestamps are ISO text, a time of day or a duration its number; NaN, which is how
 * pandas writes what is missing, is null. Columns of bytes that are no text come as null. `leaveOut` names columns that are not read at all. Memory:
 * one row group, decoded. Throws E_INPUT_UNREADABLE, also for a row group beyond 1 GiB or 50 million cells, and for
 * columns whose names the library would mistake for each other.
 */
export async function* readParquet(
  file: RangeReader,
  options: { readonly where: string; readonly leaveOut?: readonly string[]; readonly maxGroupCells?: number },
): AsyncGenerator<RecordBatch> {
  const { where } = options;
  const mostCells = options.maxGroupCells ?? maxGroupCells;
  const buffer = asBuffer(file);
  const { metadata, schema } = await readFooter(buffer, where);
  const leaveOut = new Set(options.leaveOut);
  const columns = namesIn(schema).filter((name) => !leaveOut.has(name));
  const binary = binaryColumns(schema);
  let rowStart = 0;
  for (const [i, group] of metadata.row_groups.entries()) {
    const rowEnd = rowStart + Number(group.num_rows);
    const bytes = groupBytes(group, leaveOut);
    if (bytes > maxGroupBytes)
      throw tooLarge(where, i, { expected: "1 GiB uncompressed", got: `${(bytes / 2 ** 30).toFixed(1)} GiB` });
    const cells = groupCells(group, leaveOut);
    if (cells > mostCells) throw tooLarge(where, i, { expected: `${mostCells} cells and rows`, got: String(cells) });
    const rows = await readRowGroup(buffer, metadata, { group, schema, columns, rowStart, rowEnd }).catch(
      (cause: unknown) => {
        throw unreadable(cause, `${where}, row group ${i + 1} of ${metadata.row_groups.length}`);
      },
    );
    for (let from = 0; from < rows.length; from += batchRows) {
      const records = rows.slice(from, from + batchRows).map((row, k): ReadRecord => {
        const index = rowStart + from + k;
        return { line: index + 1, offset: index, parsed: plainCells(row, binary) };
      });
      // what was handed on need not be kept
      rows.fill({}, from, from + batchRows);
      yield { records, bytes: Math.round((bytes * records.length) / rows.length), blank: 0, torn: 0 };
    }
    rowStart = rowEnd;
  }
}

/** The names of the columns, from the footer alone. Throws E_INPUT_UNREADABLE. */
export async function parquetColumns(file: RangeReader, where: string): Promise<readonly string[]> {
  return namesIn((await readFooter(asBuffer(file), where)).schema);
}

function asBuffer(file: RangeReader): AsyncBuffer {
  return {
    byteLength: file.size,
    slice: async (from, to = file.size) => (await file.read(from, Math.min(to, file.size))).buffer,
  };
}

interface Footer {
  readonly metadata: FileMetaData;
  readonly schema: SchemaTree;
}

async function readFooter(file: AsyncBuffer, where: string): Promise<Footer> {
  let footer: Footer;
  try {
    const metadata = await parquetMetadataAsync(file);
    // what every reader of a footer relies on, and a damaged one leaves out
    const isWhole = metadata.row_groups.every(
      ({ columns, num_rows }) =>
        num_rows >= 0 &&
        columns.every(({ meta_data }) => meta_data === undefined || Array.isArray(meta_data.path_in_schema)),
    );
    if (!isWhole) throw new Error("a row group of the footer is not whole");
    // no other reader looks: a group that damage hides would be rows that nobody misses
    if (metadata.row_groups.reduce((sum, { num_rows }) => sum + num_rows, 0n) !== metadata.num_rows)
      throw new Error("the row groups of the footer are not all the rows it counts");
    footer = { metadata, schema: parquetSchema(metadata) };
  } catch (cause) {
    throw unreadable(cause, `${where}, the footer that ends at byte ${file.byteLength}`);
  }
  refuseMistakable(footer.schema, where);
  return footer;
}

/** The library joins the names of nested columns with dots, and makes them properties: two would be one, or none. */
function refuseMistakable(schema: SchemaTree, where: string): void {
  const seen = new Set<string>();
  for (const column of schema.children) {
    const paths = pathsIn(column);
    const wrong = paths.find(
      (path, i) => paths.indexOf(path) !== i || seen.has(path) || /(?:^|\.)__proto__$/.test(path),
    );
    if (wrong !== undefined) {
      throw new AssayError("E_INPUT_UNREADABLE", "the columns of this Parquet file cannot be told apart", {
        where,
        expected: "each name once, and none __proto__",
        got: JSON.stringify(wrong.slice(0, 80)),
        next: "rename it, for example with DuckDB: COPY (SELECT old AS new, … FROM 'file') TO 'new.parquet'",
      });
    }
    seen.add(column.element.name);
  }
}

function pathsIn({ path, children }: SchemaTree): string[] {
  return [path.join("."), ...children.flatMap(pathsIn)];
}

function namesIn(schema: SchemaTree): string[] {
  return schema.children.map(({ element }) => element.name);
}

function groupBytes(group: RowGroup, leaveOut: ReadonlySet<string>): number {
  return columnsRead(group, leaveOut).reduce((sum, column) => sum + Number(column.total_uncompressed_size), 0);
}

function groupCells(group: RowGroup, leaveOut: ReadonlySet<string>): number {
  return columnsRead(group, leaveOut).reduce((sum, column) => sum + Number(column.num_values), Number(group.num_rows));
}

function columnsRead({ columns }: RowGroup, leaveOut: ReadonlySet<string>): ColumnMetaData[] {
  return columns.flatMap(({ meta_data }) =>
    meta_data === undefined || leaveOut.has(meta_data.path_in_schema[0] ?? "") ? [] : [meta_data],
  );
}

function tooLarge(where: string, group: number, { expected, got }: { expected: string; got: string }): AssayError {
  return new AssayError("E_INPUT_UNREADABLE", "a row group of this Parquet file is too large to be held", {
    where: `${where}, row group ${group + 1}`,
    expected: `at most ${expected}`,
    got,
    next: "rewrite it, for example with DuckDB: COPY (FROM 'file') TO 'new.parquet' (ROW_GROUP_SIZE 10000)",
  });
}

function unreadable(cause: unknown, where: string): unknown {
  // what the range reader throws is ours already
  if ((cause as { name?: unknown } | null)?.name === "AssayError") return cause;
  return new AssayError("E_INPUT_UNREADABLE", "this Parquet file cannot be read on", {
    where,
    expected: "a whole Parquet file",
    got: String((cause as { message?: unknown } | null)?.message ?? cause).slice(0, 200),
    cause,
  });
}
