import zlib, { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { createTextLines } from "../src/text-lines.ts";
import { checksummed } from "./checksummed-parquet.ts";
import { storedZstd } from "./stored-zstd.ts";

/** A record with texts that one or another format has to escape. */
export interface WrittenRecord {
  readonly id: string;
  readonly prompt: string;
  readonly response: string;
  readonly principle: string;
  readonly n: number;
  readonly note: string;
}

export const writtenRecords: readonly WrittenRecord[] = Array.from({ length: 9 }, (_, i) => ({
  id: `r${i}`,
  prompt: ["What is 2, 3 and \u{1f600}?", 'Say "x"', "{ \\ }"][i % 3] ?? "",
  response: ["two,\nlines", "[1,2]", 'é "quoted"', "plain"][i % 4] ?? "",
  principle: "helpfulness",
  n: i / 4,
  note: `note ${i}`,
}));

/** How the bytes of a format are to be read by what names. */
export interface WrittenFormat {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly kind: "lines" | "array" | "csv" | "parquet" | "foreign";
  /** in gzip or zstd, whose checksum says whether all of it is there and unchanged */
  readonly packed: boolean;
  /** the word by which it is refused, whatever its name */
  readonly refused?: string;
}

const { zstdCompressSync } = zlib as {
  readonly zstdCompressSync?: (bytes: Uint8Array, options: { params: { [parameter: number]: number } }) => Uint8Array;
};
// ZSTD_c_checksumFlag, which zstd's own command sets
const zstd = (bytes: Uint8Array): Uint8Array => zstdCompressSync?.(bytes, { params: { 201: 1 } }) ?? storedZstd(bytes);
const noZstd = zstdCompressSync === undefined ? { refused: `Node ${process.versions.node}` } : {};

const jsonl = Buffer.from(writtenRecords.map((record) => `${JSON.stringify(record)}\n`).join(""));
const array = Buffer.from(`[${writtenRecords.map((record) => JSON.stringify(record)).join(",\n")}]`);
const csv = Buffer.from(createTextLines("csv", Object.keys(writtenRecords[0] ?? {})).rows(writtenRecords));
const parquet = parquetOf(writtenRecords);

const texts = [
  ["JSON Lines", jsonl, "lines"],
  ["a JSON array", array, "array"],
  ["CSV", csv, "csv"],
] as const;

/** The same records in every format that is read. */
export const readFormats: readonly WrittenFormat[] = [
  ...texts.flatMap(([name, bytes, kind]) => [
    { name, bytes, kind, packed: false },
    { name: `${name} in gzip`, bytes: gzipSync(bytes), kind, packed: true },
    { name: `${name} in zstd`, bytes: zstd(bytes), kind, packed: true, ...noZstd },
  ]),
  { name: "Parquet", bytes: parquet, kind: "parquet", packed: false },
  { name: "Parquet with checksums", bytes: checksummed(parquet), kind: "parquet", packed: false },
];

/** Formats that are told by their first bytes, and not read. */
export const refusedFormats: readonly WrittenFormat[] = [
  ["Parquet in gzip", gzipSync(parquet), "parquet"],
  ["Parquet in zstd", zstd(parquet), noZstd.refused ?? "parquet"],
  ["an Arrow file", Buffer.from("ARROW1\0\0\xff\xff\xff\xff\x10\0\0\0", "latin1"), "Arrow"],
  ["an Arrow stream", Buffer.from("\xff\xff\xff\xff\x10\0\0\0", "latin1"), "Arrow"],
  ["an Arrow stream in gzip", gzipSync(Buffer.from("\xff\xff\xff\xff\x10\0\0\0", "latin1")), "Arrow"],
  ["a zip file", Buffer.from("PK\x03\x04\x14\0\0\0", "latin1"), "zip"],
  ["an xz file", Buffer.from("\xfd7zXZ\0\0\x04", "latin1"), "xz"],
  ["a bzip2 file", Buffer.from("BZh91AY&SY", "latin1"), "bzip2"],
  ["text of UTF-16", Buffer.from("\ufeffprompt,response\n", "utf16le"), "UTF-16"],
].map(([name, bytes, refused]) => ({ name, bytes, kind: "foreign", packed: false, refused }) as WrittenFormat);

export function parquetOf(records: readonly WrittenRecord[]): Uint8Array {
  const names = ["id", "prompt", "response", "principle", "n", "note"] as const;
  const columnData = names.map((name) => ({ name, data: records.map((record) => record[name]) }));
  return new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 4 }));
}

/** The file names of every format, with letters of both cases, and none that says anything. */
export const fileNames: readonly string[] = [
  ...["a.jsonl", "a.json", "a.csv"].flatMap((name) => [name, `${name}.gz`, `${name}.zst`]),
  "A.CSV",
  "a.parquet",
  "a.arrow",
  "a.txt",
  "stdin",
];
