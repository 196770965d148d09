import type { UserColumn } from "@assay/core";
import type { ByteSink, ExportRow } from "./export-row.ts";
import { openParquetFile, type ParquetFile } from "./parquet-file.ts";

/** A file is ended at the first row group behind this many bytes: files of 128 to 256 MB suit every reader (04 section 5). */
const fileBytes = 160 * 1024 * 1024;

export interface DataSetFile {
  /** below the folder: data/train-00000.parquet */
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
}

/**
 * The data files of a Hugging Face data set folder: Parquet files data/train-00000.parquet and so on, in the order of
 * the rows, each of at most about 256 MB; one file without rows when there are none. `work` gets the sink of each new
 * file and ends it. Memory: one row group.
 */
export async function writeDataSet(
  options: { text: boolean; columns: readonly UserColumn[]; fileBytes?: number },
  chunks: AsyncIterable<readonly ExportRow[]>,
  openFile: (path: string) => Promise<ByteSink & { close(): Promise<void> }>,
): Promise<DataSetFile[]> {
  const most = options.fileBytes ?? fileBytes;
  const files: DataSetFile[] = [];
  let open: { file: ParquetFile; sink: ByteSink & { close(): Promise<void> }; path: string } | null = null;

  const begin = async (): Promise<NonNullable<typeof open>> => {
    const path = `data/train-${String(files.length).padStart(5, "0")}.parquet`;
    const sink = await openFile(path);
    return { file: openParquetFile(options, sink), sink, path };
  };
  const end = async ({ file, sink, path }: NonNullable<typeof open>): Promise<void> => {
    const rows = await file.close();
    await sink.close();
    files.push({ path, rows, bytes: file.bytes });
  };

  for await (const chunk of chunks) {
    for (const row of chunk) {
      open ??= await begin();
      await open.file.add(row);
      if (open.file.isAtGroup && open.file.bytes >= most) {
        await end(open);
        open = null;
      }
    }
  }
  if (open !== null || files.length === 0) await end(open ?? (await begin()));
  return files;
}
