import { createReadStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { isAssayError } from "@assay/core";
import { describe, expect, test } from "@jest/globals";
import { readJsonl } from "../src/read-jsonl.ts";
import { encode, reads, short, type Told, tellToEnd } from "./input-of.ts";

describe("read-jsonl: what cannot be read on", () => {
  async function failure(parts: readonly Uint8Array[]): Promise<{ error: unknown; told: Told }> {
    const { error, told } = await tellToEnd(readJsonl(reads(parts), { where: "night/a.jsonl" }));
    if (error === null) throw new Error("it was read to its end");
    return { error, told };
  }

  test.each([
    ["parquet", encode("PAR1\u0015\u0004")],
    ["zip", Uint8Array.of(0x50, 0x4b, 3, 4, 20)],
  ])("%s is told by its first bytes, with the next step, however they come", async (name, bytes) => {
    for (const parts of [[bytes], Array.from(bytes, (byte) => Uint8Array.of(byte))]) {
      const { error } = await failure(parts);
      if (!isAssayError(error, "E_INPUT_UNREADABLE")) throw error;
      expect(error).toMatchObject({ where: "night/a.jsonl", got: name, next: "unpack it" });
      expect(error.exit).toBe(4);
    }
  });

  const text = Array.from({ length: 2_000 }, (_, i) => `{"n":${i},"x":"${((i * 7_919) % 9_973).toString(36)}"}\n`).join(
    "",
  );
  const zipped = gzipSync(encode(text));

  test.each([
    ["in its header", 5],
    ["in its middle", Math.floor(zipped.length / 2)],
    ["in its checksum", zipped.length - 6],
    ["one byte short", zipped.length - 1],
  ])("a gzip file cut %s: the lines before the cut, then the place", async (_name, length) => {
    const { error, told } = await failure([zipped.subarray(0, length)]);
    expect(error).toMatchObject({
      code: "E_INPUT_UNREADABLE",
      where: `night/a.jsonl, within the first ${length} compressed bytes`,
      got: "its end is missing",
    });
    // whole lines only: half a line is not told as bad or torn
    expect(short(told)).toEqual(told.records.map((_, i) => [i + 1, { n: i, x: expect.any(String) }]));
    expect(told.torn).toBe(0);
  });

  test("a second member that is cut is no end of the file", async () => {
    const { error } = await failure([Buffer.concat([gzipSync("1\n"), zipped.subarray(0, 40)])]);
    expect(error).toMatchObject({ code: "E_INPUT_UNREADABLE", got: "its end is missing" });
  });

  test.each<[string, Uint8Array[]]>([
    ["a flipped bit", [Uint8Array.from(zipped, (byte, i) => (i === zipped.length - 100 ? byte ^ 8 : byte))]],
    ["a wrong checksum", [Uint8Array.from(zipped, (byte, i) => (i === zipped.length - 7 ? byte ^ 8 : byte))]],
    ["plain lines behind a member", [Buffer.concat([gzipSync("1\n"), encode('{"lost":true}\n')])]],
    ["the same in a read of its own", [gzipSync("1\n"), encode('{"lost":true}\n')]],
    ["padding, and a member behind it", [Buffer.concat([gzipSync("1\n"), new Uint8Array(512), gzipSync("2\n")])]],
    ["the same in reads of their own", [gzipSync("1\n"), new Uint8Array(512), gzipSync("2\n")]],
  ])("never read as if it were whole: %s", async (_name, parts) => {
    const { error } = await failure(parts);
    expect(error).toMatchObject({
      code: "E_INPUT_UNREADABLE",
      where: expect.stringMatching(/^night\/a\.jsonl, \D+\d+/),
    });
  });

  test("an error of the source stays what it is, plain and zipped", async () => {
    const broken = Object.assign(new Error("disk"), { code: "EIO" });
    async function* source(head: Uint8Array): AsyncGenerator<Uint8Array> {
      yield head;
      throw broken;
    }
    for (const head of [encode("1\n2\n"), zipped.subarray(0, 64)]) {
      const all = async (): Promise<void> => {
        for await (const batch of readJsonl(source(head), { where: "a" })) void batch;
      };
      await expect(all()).rejects.toBe(broken);
    }
  });
});

describe("read-jsonl: the source is let go", () => {
  /** A source that counts whether it was closed. */
  function closing(parts: readonly Uint8Array[]): { source: AsyncGenerator<Uint8Array>; closed: () => number } {
    let closed = 0;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield* parts;
      } finally {
        closed += 1;
      }
    }
    return { source: source(), closed: () => closed };
  }
  const many = Array.from({ length: 50 }, (_, i) => encode(`${i}\n`));

  test.each<[string, Uint8Array[]]>([
    ["plain", many],
    ["zipped", [gzipSync(Buffer.concat(many))]],
    ["refused", [encode("PAR1"), encode("more")]],
    ["damaged", [gzipSync("1\n").subarray(0, 12), encode("more")]],
  ])("%s: at the end, upon an error, and when the reader stops early", async (_name, parts) => {
    for (const stopEarly of [false, true]) {
      const { source, closed } = closing(parts);
      try {
        for await (const batch of readJsonl(source, { where: "a" })) if (stopEarly && batch.records.length > 0) break;
      } catch (error) {
        if (!isAssayError(error, "E_INPUT_UNREADABLE")) throw error;
      }
      expect(closed()).toBe(1);
    }
  });

  test("a file that is refused does not stay open", async () => {
    const folder = await mkdtemp(join(tmpdir(), "assay-jsonl-"));
    try {
      await writeFile(join(folder, "a.parquet"), "PAR1".repeat(100_000));
      const stream = createReadStream(join(folder, "a.parquet"));
      await expect(readJsonl(stream, { where: "a" }).next()).rejects.toMatchObject({ code: "E_INPUT_UNREADABLE" });
      expect(stream.destroyed).toBe(true);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
