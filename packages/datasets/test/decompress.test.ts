import zlib, { gzipSync } from "node:zlib";
import { describe, expect, test } from "@jest/globals";
import { decompress } from "../src/decompress.ts";
import { readOwnRecords } from "../src/read-records.ts";
import { inputOf, parts, short, tell } from "./input-of.ts";
import { storedZstd } from "./stored-zstd.ts";

/** Absent before Node 22.15: then the tests of reading hold that it is said. */
const { zstdCompressSync } = zlib as { readonly zstdCompressSync?: (bytes: Uint8Array) => Uint8Array };

if (zstdCompressSync === undefined) console.warn("!!! NOT RUN: reading zstd, which needs Node 22.15");

const text = Array.from({ length: 3_000 }, (_, n) => `{"n":${n}}\n`).join("");

async function plain(packed: Uint8Array, partBytes = 1_000): Promise<string> {
  const out: Uint8Array[] = [];
  for await (const bytes of decompress(parts(packed, partBytes), "a.jsonl.zst")) out.push(bytes);
  return Buffer.concat(out).toString();
}

(zstdCompressSync === undefined ? describe : describe.skip)("zstd before Node 22.15", () => {
  test("is refused with what would read it, and the source is closed", async () => {
    let closed = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield* parts(storedZstd('{"a":1}\n'), 3);
        yield Uint8Array.of(0);
      } finally {
        closed = true;
      }
    }
    await expect(decompress(source(), "a.jsonl.zst").next()).rejects.toMatchObject({
      code: "E_INPUT_UNREADABLE",
      exit: 4,
      where: "a.jsonl.zst",
      expected: "Node 22.15 or newer",
      got: `Node ${process.versions.node}`,
    });
    expect(closed).toBe(true);
  });
});

(zstdCompressSync === undefined ? describe.skip : describe)("zstd from Node 22.15 on", () => {
  const pack = (content: string): Uint8Array => zstdCompressSync?.(Buffer.from(content)) ?? Buffer.alloc(0);

  test("comes out as it went in, whatever the reads", async () => {
    expect(await plain(storedZstd('{"a":1}\n'))).toBe('{"a":1}\n');
    for (const partBytes of [1, 7, 1_000_000]) expect(await plain(pack(text), partBytes)).toBe(text);
  });

  test("comes out whole where it is many frames, some of them to be skipped", async () => {
    // RFC 8878: magic, length, bytes for whoever knows them; pzstd puts one before each frame
    const skipped = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
    const frames = [skipped, pack(text), storedZstd('{"a":1}\n'), skipped, pack(text), pack("")];
    for (const partBytes of [1, 7, 1_000, 1_000_000])
      expect(await plain(Buffer.concat(frames), partBytes)).toBe(`${text}{"a":1}\n${text}`);
  });

  test.each([
    ["a cut end", (bytes: Uint8Array) => bytes.subarray(0, -5)],
    ["a cut end of the second frame", (bytes: Uint8Array) => Buffer.concat([bytes, bytes.subarray(0, -5)])],
    ["something behind it", (bytes: Uint8Array) => Buffer.concat([bytes, Buffer.from("{}\n{}\n{}\n")])],
    ["a changed byte", (bytes: Uint8Array) => Uint8Array.from(bytes, (byte, i) => (i === 10 ? byte ^ 0xff : byte))],
  ])("%s cannot be read on", async (_name, damage) => {
    await expect(plain(damage(pack(text)), 1_000_000)).rejects.toMatchObject({ code: "E_INPUT_UNREADABLE" });
  });
});

describe("how an input is packed", () => {
  const read = (bytes: Uint8Array | string, input = "a.txt") =>
    tell(readOwnRecords(inputOf(bytes, 3), { where: input, input }));
  const records = [
    [1, { a: 1 }],
    [2, { a: 2 }],
  ];

  test.each<[string, Uint8Array | string]>([
    ["JSON Lines", '{"a":1}\n{"a":2}\n'],
    ["gzip", gzipSync('{"a":1}\n{"a":2}\n')],
    ["a JSON array", '[{"a":1},\n{"a":2}]'],
    ["a JSON array in gzip, behind blank lines", gzipSync('[{"a":1},\n{"a":2}]\n\n')],
  ])("%s is told by the bytes, whatever the name", async (_name, bytes) => {
    expect(short(await read(bytes))).toEqual(records);
  });

  test("CSV is told by the name, in gzip, too", async () => {
    const expected = [[2, { a: "1", b: "x" }]];
    expect(short(await read("a,b\n1,x\n", "in/a.csv"))).toEqual(expected);
    expect(short(await read(gzipSync("a,b\n1,x\n"), "A.CSV.GZ"))).toEqual(expected);
  });

  test("Parquet in gzip is refused: it is read by ranges", async () => {
    await expect(read(gzipSync("PAR1xxxxxxxxPAR1"))).rejects.toMatchObject({
      code: "E_INPUT_UNREADABLE",
      got: "parquet",
      next: "unpack it",
    });
  });

  test("blank lines in front, a mark of the encoding, nothing at all", async () => {
    expect(short(await read('\n \n{"a":1}\n'))).toEqual([[3, { a: 1 }]]);
    expect(short(await read('\ufeff{"a":1}\n'))).toEqual([[1, { a: 1 }]]);
    expect((await read("")).records).toEqual([]);
    expect((await read(`${" ".repeat(100_000)}\n{"a":1}\n`)).records).toHaveLength(1);
  });
});
