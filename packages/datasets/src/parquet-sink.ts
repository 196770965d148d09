import type { SchemaElement } from "hyparquet";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import type { ByteSink } from "./export-row.ts";

/** A Parquet file whose bytes leave group by group. */
export interface ParquetSink {
  /** Bytes handed to the sink so far. */
  readonly bytes: number;
  /** One row group: the columns of the schema, in its order. */
  writeGroup(columnData: { name: string; data: unknown[] }[], rows: number): Promise<void>;
  /** The footer. */
  finish(): Promise<void>;
}

/** Memory: one row group. */
export function parquetSink(schema: SchemaElement[], sink: ByteSink): ParquetSink {
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({ writer, schema, createdBy: "assay" });
  let bytes = 0;

  async function send(): Promise<void> {
    const part = writer.getBytes().slice();
    // the writer counts offsets apart from its buffer, which is free again
    writer.index = 0;
    bytes += part.length;
    await sink.write(part);
  }

  return {
    get bytes() {
      return bytes;
    },
    async writeGroup(columnData, rows) {
      await parquet.write({ columnData, rowGroupSize: rows });
      await send();
    },
    async finish() {
      await parquet.finish();
      await send();
    },
  };
}
