import type { UserColumn } from "@assay/core";
import type { ByteSink, ExportRow } from "./export-row.ts";
import { openParquetFile } from "./parquet-file.ts";

/** A file is ended at the first row group behind this many bytes: files of 128 to 256 MB suit every reader. */
const fileBytes = 160 * 1024 * 1024;

export interface DataSetFile {
  /** below the folder: data/train-00000.parquet */
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
}

/** Makes one file: gives `work` where its bytes go, and ends the file when that is done. */
export type MakeFile = (path: string, work: (sink: ByteSink) => Promise<DataSetFile>) => Promise<DataSetFile>;

/**
 * The data files of a Hugging Face data set folder: Parquet files data/train-00000.parquet and so on, in the order of
 * the rows, each of at most about 256 MB; one file without rows when there are none. Memory: one row group.
 */
export async function writeDataSet(
  options: { text: boolean; columns: readonly UserColumn[]; fileBytes?: number },
  chunks: AsyncIterable<readonly ExportRow[]>,
  makeFile: MakeFile,
): Promise<DataSetFile[]> {
  const most = options.fileBytes ?? fileBytes;
  const rows = oneByOne(chunks);
  const files: DataSetFile[] = [];
  try {
    let next = await rows.next();
    do {
      const path = `data/train-${String(files.length).padStart(5, "0")}.parquet`;
      const made = await makeFile(path, async (sink) => {
        const file = openParquetFile(options, sink);
        while (next.done !== true && !(file.isAtGroup && file.bytes >= most)) {
          await file.add(next.value);
          next = await rows.next();
        }
        return { path, rows: await file.close(), bytes: file.bytes };
      });
      files.push(made);
    } while (next.done !== true);
  } finally {
    await rows.return(undefined);
  }
  return files;
}

async function* oneByOne(chunks: AsyncIterable<readonly ExportRow[]>): AsyncGenerator<ExportRow> {
  for await (const chunk of chunks) yield* chunk;
}
