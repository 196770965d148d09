import zlib, { gzipSync } from "node:zlib";
import { isAssayError } from "@assay/core";
import { expect, test } from "@jest/globals";
import { readCsv } from "../src/read-csv.ts";
import type { RecordBatch } from "../src/read-jsonl.ts";
import { readOwnRecords } from "../src/read-records.ts";
import { inputOf } from "./input-of.ts";

/** Small files that unpack into large ones end by a row's status or a code, in the memory of one record. */

const { zstdCompressSync } = zlib as { readonly zstdCompressSync?: (bytes: Uint8Array) => Uint8Array };
if (zstdCompressSync === undefined) console.warn("!!! NOT RUN: zstd bombs, which need Node 22.15");

const mega = 1024 * 1024;
/** What may be held: the longest record, as it comes, joined and as text, and what the collector has not taken yet. */
const maxHeld = 400 * mega;

/** Bytes that one text, over and over, unpacks to: members of 16 MiB behind each other. */
function bomb(text: string, bytes: number, pack: (bytes: Uint8Array) => Uint8Array = gzipSync): Uint8Array {
  const member = pack(Buffer.alloc(16 * mega, text));
  return Buffer.concat(Array.from({ length: bytes / (16 * mega) }, () => member));
}

/** Statuses and codes, each once, with the first place; and the most memory that was held. */
async function ends(
  reading: AsyncIterable<RecordBatch>,
): Promise<{ seen: [string, string][]; records: number; held: number }> {
  const seen = new Map<string, string>();
  let records = 0;
  let held = 0;
  const before = memory();
  const tell = (what: string, place: string): void => void (seen.has(what) || seen.set(what, place));
  try {
    for await (const read of reading) {
      held = Math.max(held, memory() - before);
      records += read.records.length;
      for (const { line, parsed } of read.records) tell(parsed.ok ? "good" : parsed.bad, `line ${line}`);
      if (read.blank > 0) tell("blank", "");
      if (read.torn > 0) tell("torn", "");
    }
  } catch (error) {
    if (!isAssayError(error)) throw error;
    tell(error.code, error.where ?? "");
  }
  return { seen: [...seen], records, held };
}

const read = (packed: Uint8Array, name: string) =>
  readOwnRecords(inputOf(packed, 65_536), { where: name, input: name });

function memory(): number {
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}

test.each<[string, string, string, number, [string, string][]]>([
  ["a gigabyte of zeros, one endless line", "a.jsonl", "\0", 1_024, [["line_too_long", "line 1"]]],
  ["an endless depth", "a.json", "[", 64, [["E_INPUT_UNREADABLE", "a.json, line 1, byte 1"]]],
  ["an endless depth in a line", "a.jsonl", '{"a":', 64, [["line_too_long", "line 1"]]],
  ["an endless row of empty cells", "a.csv", ",", 64, [["E_INPUT_UNREADABLE", "a.csv:1"]]],
  ["blank lines", "a.jsonl", "\n", 64, [["blank", ""]]],
])(
  "%s",
  async (_name, name, text, megabytes, expected) => {
    const packed = bomb(text, megabytes * mega);
    expect(packed.length).toBeLessThan(2 * mega);
    const { seen, held } = await ends(read(packed, name));
    expect(seen).toEqual(expected);
    expect(held).toBeLessThan(maxHeld);
  },
  60_000,
);

test.each([
  ["a cell", "x"],
  ["a cell of quotes", '"'],
])(
  "%s without an end is read to the limit, and no further",
  async (_name, text) => {
    let given = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      const part = Buffer.alloc(65_536, text);
      for (; ; given += part.length) yield part;
    }
    const reading = readCsv(endless(), { where: "a.csv", maxRowBytes: mega });
    expect((await ends(reading)).seen).toEqual([["E_INPUT_UNREADABLE", "a.csv:1"]]);
    expect(given).toBeLessThan(2 * mega);
  },
  30_000,
);

test("the deepest and the widest value that a line can hold are read, and the next line, too", async () => {
  const most = 4 * mega;
  const lines = ["{}", `${"[".repeat(most)}${"]".repeat(most)}`, `[${"[],".repeat(most)}[]]`, '{"a":1}'];
  const { seen, records } = await ends(read(Buffer.from(`${lines.join("\n")}\n`), "a.txt"));
  expect([seen, records]).toEqual([[["good", "line 1"]], 4]);
}, 60_000);

(zstdCompressSync === undefined ? test.skip : test)(
  "zstd: 1 GiB of zeros, and a hundred thousand frames of nothing",
  async () => {
    const pack = (bytes: Uint8Array): Uint8Array => zstdCompressSync?.(bytes) ?? bytes;
    const { seen, held } = await ends(read(bomb("\0", 1_024 * mega, pack), "a.jsonl.zst"));
    expect(seen).toEqual([["line_too_long", "line 1"]]);
    expect(held).toBeLessThan(maxHeld);
    const empty = pack(Buffer.alloc(0));
    const frames = Buffer.concat([...Array.from({ length: 100_000 }, () => empty), pack(Buffer.from('{"a":1}\n'))]);
    expect((await ends(read(frames, "a.jsonl.zst"))).records).toBe(1);
  },
  60_000,
);
