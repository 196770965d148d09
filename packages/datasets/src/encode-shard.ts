import { AssayError, type ResultRow, type ShardMetadata, shardMetadataKeys, type UserColumn } from "@assay/core";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { fixedColumns, type Leaf, sampleFields, shardSchema, userTypes } from "./shard-schema.ts";

export type EncodeShard = typeof encodeShard;

/**
 * The bytes of a shard: schema 1, one row group, SNAPPY. The same rows and metadata give the same bytes. Throws
 * E_SHARD_SCHEMA naming row and column for NaN, infinities, lone surrogates, a reward without ok (and ok without one),
 * a required value that is missing, or a value of another type; the Parquet library lets most of these through.
 * Memory: a few times the rows.
 */
export function encodeShard(
  rows: readonly ResultRow[],
  metadata: ShardMetadata,
  columns: readonly UserColumn[],
): Uint8Array {
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({
    writer,
    schema: shardSchema(columns),
    kvMetadata: shardMetadataKeys.map((key) => ({ key, value: metadata[key] })),
    // not the library's version: an upgrade must not change the bytes of the same rows
    createdBy: "assay",
  });
  void parquet.write({ columnData: columnData(rows, columns), rowGroupSize: Math.max(1, rows.length) });
  // neither is asynchronous over a ByteWriter
  void parquet.finish();
  return writer.getBytes();
}

/** The rows column by column, checked, in schema order. Shared with exports. */
export function columnData(
  rows: readonly ResultRow[],
  columns: readonly UserColumn[],
): { name: string; data: unknown[] }[] {
  for (const row of rows) refuseInvented(row, "reward", row);
  return [
    ...fixedColumns.map(([name, leaf]) => ({
      name,
      data: rows.map((row) =>
        leaf === "samples" ? samplesCell(row) : cell(row, name, leaf, row[name as keyof ResultRow]),
      ),
    })),
    ...columns.map(({ name, type }) => ({
      name: `in_${name}`,
      data: rows.map((row) => cell(row, `in_${name}`, userTypes[type], row.columns[`in_${name}`])),
    })),
  ];
}

function samplesCell(row: ResultRow): unknown {
  if (row.samples === null) return null;
  return row.samples.map((sample, i) => {
    refuseInvented(row, `samples[${i}].reward`, sample);
    return Object.fromEntries(
      sampleFields.map(([name, leaf]) => [
        name,
        cell(row, `samples[${i}].${name}`, leaf, sample[name as keyof typeof sample]),
      ]),
    );
  });
}

/** A reward stands exactly where the status is ok. */
function refuseInvented(
  row: ResultRow,
  column: string,
  { status, reward }: Pick<ResultRow, "status" | "reward">,
): void {
  if (reward !== null && status !== "ok")
    throw refused(row, column, `null unless status is ok (it is ${status})`, reward);
  if (reward === null && status === "ok") throw refused(row, column, "a number, since status is ok", reward);
}

/** The widest Date, in milliseconds from the epoch. */
const maxDateMs = 8.64e15;

/** The value as the Parquet library wants it for this leaf. */
function cell(row: ResultRow, column: string, leaf: Leaf, value: unknown): unknown {
  if (value === null || value === undefined) {
    if (leaf.required === true) throw refused(row, column, "a value", value);
    return null;
  }
  if (leaf.micros === true) {
    if (typeof value === "number" && Math.abs(value) <= maxDateMs) return new Date(value);
    throw refused(row, column, "milliseconds since the epoch", value);
  }
  switch (leaf.type) {
    case "BYTE_ARRAY":
      if (typeof value !== "string") throw refused(row, column, "text", value);
      if (!value.isWellFormed()) throw refused(row, column, "well-formed text", value);
      return value;
    case "BOOLEAN":
      if (typeof value !== "boolean") throw refused(row, column, "true or false", value);
      return value;
    case "INT32":
      if (typeof value !== "number" || (value | 0) !== value)
        throw refused(row, column, "an integer of 32 bits", value);
      return value;
    case "INT64":
      if (!Number.isSafeInteger(value)) throw refused(row, column, "an integer within 2^53", value);
      return BigInt(value as number);
    default:
      if (!Number.isFinite(value)) throw refused(row, column, "a finite number", value);
      return value;
  }
}

function refused(row: ResultRow, column: string, expected: string, got: unknown): AssayError {
  return new AssayError("E_SHARD_SCHEMA", "a result row does not fit the shard's schema", {
    where: `row ${row.row_index}, column ${column}`,
    expected,
    // text is not shown: it may be a prompt
    got: typeof got === "string" ? (got.isWellFormed() ? "text" : "a lone surrogate") : String(got),
  });
}
