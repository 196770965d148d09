import { createReadStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGunzip, createGzip, type Gunzip, gzipSync } from "node:zlib";
import { isAssayError } from "@assay/core";
import { describe, expect, jest, test } from "@jest/globals";
import fc from "fast-check";
import { type ReadRecord, type RecordBatch, readJsonl } from "../src/read-jsonl.ts";

/** Longer than usual: one reader, and every way in which bytes from outside can be wrong. */

const seed = 20_261_125;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

async function* reads(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield part;
}

/** The parts at which `cuts` (any numbers) cut the bytes; empty reads come up, too. */
function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return places.slice(1).map((to, i) => bytes.subarray(places[i], to));
}

interface Told {
  records: ReadRecord[];
  blank: number;
  torn: number;
  bytes: number;
}

async function tell(parts: readonly Uint8Array[], maxLineBytes?: number): Promise<Told> {
  const told: Told = { records: [], blank: 0, torn: 0, bytes: 0 };
  const options = { where: "a.jsonl", ...(maxLineBytes === undefined ? {} : { maxLineBytes }) };
  for await (const batch of readJsonl(reads(parts), options)) add(told, batch);
  return told;
}

function add(told: Told, batch: RecordBatch): void {
  told.records.push(...batch.records);
  told.blank += batch.blank;
  told.torn += batch.torn;
  told.bytes += batch.bytes;
}

/** What most tests look at: line, offset, and the value or the code. */
const short = ({ records }: Told): [number, number, unknown][] =>
  records.map(({ line, offset, parsed }) => [line, offset, parsed.ok ? parsed.value : parsed.bad]);

/** What a line may be, and what becomes of it when it has its newline. */
const lines = fc.array(
  fc.oneof(
    fc.jsonValue({ stringUnit: "binary" }).map((value) => JSON.stringify(value)),
    fc.constantFrom(
      "",
      " ",
      "\r",
      "{",
      '{"a":1}\r',
      "\u2028",
      '"\u2028\u0085"',
      "\ufeff1",
      "\ufeff",
      "nul",
      '"\u{1f600}"',
      "[1] [2]",
    ),
  ),
  { maxLength: 8 },
);
const file = fc.tuple(lines, fc.boolean()).map(([all, ended]) => encode(all.join("\n") + (ended ? "\n" : "")));
const cuts = fc.array(fc.nat(), { maxLength: 12 });

describe("read-jsonl: laws", () => {
  test(`how the bytes are cut into reads does not show (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(file, cuts, async (bytes, places) => {
        const whole = await tell([bytes]);
        expect(await tell(split(bytes, places))).toEqual(whole);
        expect(await tell(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(whole);
        expect(whole.bytes).toBe(bytes.length);
      }),
      { seed, numRuns: 200 },
    );
  });

  test(`nor does gzip, in one member or several, wherever it is cut (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(file, cuts, cuts, async (bytes, members, places) => {
        const zipped = Buffer.concat(split(bytes, members.slice(0, 3)).map((part) => gzipSync(part)));
        expect(await tell(split(zipped, places))).toEqual(await tell([bytes]));
      }),
      { seed, numRuns: 60 },
    );
  });

  test(`every line is a record, blank or torn, and stands at its offset (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(file, async (bytes) => {
        const told = await tell([bytes]);
        const text = Buffer.from(bytes).toString("utf8");
        const physical = text === "" ? 0 : text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
        expect(told.records.length + told.blank + told.torn).toBe(physical);
        for (const { line, offset } of told.records) {
          expect(offset === 0 || bytes[offset - 1] === 0x0a).toBe(true);
          expect(bytes.subarray(0, offset).filter((byte) => byte === 0x0a)).toHaveLength(line - 1);
        }
      }),
      { seed, numRuns: 200 },
    );
  });

  test(`with an over-long line the same: the cut does not show, the others are read (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(file, cuts, fc.integer({ min: 0, max: 20 }), async (bytes, places, max) => {
        const whole = await tell([bytes], max);
        expect(await tell(split(bytes, places), max)).toEqual(whole);
        const free = await tell([bytes]);
        const tooLong = whole.records.filter(({ parsed }) => !parsed.ok && parsed.bad === "line_too_long");
        const others = whole.records.filter((record) => !tooLong.includes(record));
        for (const record of others) expect(free.records).toContainEqual(record);
      }),
      { seed, numRuns: 200 },
    );
  });
});

describe("read-jsonl: lines", () => {
  test.each<[string, string, [number, number, unknown][], { blank?: number; torn?: number }?]>([
    ["nothing", "", []],
    ["one", '{"a":1}\n', [[1, 0, { a: 1 }]]],
    [
      "CRLF",
      '{"a":1}\r\n{"a":2}\r\n',
      [
        [1, 0, { a: 1 }],
        [2, 9, { a: 2 }],
      ],
    ],
    [
      "a BOM, which is part of the offset",
      '\ufeff{"a":1}\n{"a":2}\n',
      [
        [1, 0, { a: 1 }],
        [2, 11, { a: 2 }],
      ],
    ],
    ["a BOM alone", "\ufeff\n1\n", [[2, 4, 1]], { blank: 1 }],
    [
      "a BOM further down",
      '1\n\ufeff{"a":1}\n',
      [
        [1, 0, 1],
        [2, 2, "invalid_json"],
      ],
    ],
    [
      "blank lines keep the numbers physical",
      "\n1\n \t\r\n\n2\n\n",
      [
        [2, 1, 1],
        [5, 8, 2],
      ],
      { blank: 4 },
    ],
    [
      "offsets are bytes, not characters",
      '"\u65e5\u{1f600}"\n2\n',
      [
        [1, 0, "\u65e5\u{1f600}"],
        [2, 10, 2],
      ],
    ],
    ["separators of Unicode are no line ends", '"\u2028\u2029\u0085"\n', [[1, 0, "\u2028\u2029\u0085"]]],
    [
      "no JSON in the middle",
      "1\n{\n2\n",
      [
        [1, 0, 1],
        [2, 2, "invalid_json"],
        [3, 4, 2],
      ],
    ],
    ["two values in a line", "{} {}\n", [[1, 0, "invalid_json"]]],
    ["NaN is no JSON", '{"a":NaN}\n', [[1, 0, "invalid_json"]]],
    [
      "a last line without newline that parses",
      "1\n2",
      [
        [1, 0, 1],
        [2, 2, 2],
      ],
    ],
    ["a last line without newline that does not: still being written", '1\n{"a":', [[1, 0, 1]], { torn: 1 }],
    [
      "the same with a newline is bad",
      '1\n{"a":\n',
      [
        [1, 0, 1],
        [2, 2, "invalid_json"],
      ],
    ],
    ["a last line of white space", "1\n  ", [[1, 0, 1]], { blank: 1 }],
  ])("%s", async (_name, text, expected, counts = {}) => {
    const told = await tell([encode(text)]);
    expect(short(told)).toEqual(expected);
    expect([told.blank, told.torn]).toEqual([counts.blank ?? 0, counts.torn ?? 0]);
  });

  test("bytes that are no UTF-8 are bad where they stand, and the next line is read", async () => {
    const bytes = Buffer.concat([
      encode('"a'),
      Uint8Array.of(0xff),
      encode('"\n"b"\n"'),
      Uint8Array.of(0xc3),
      encode('"\n"c"\n'),
    ]);
    expect(short(await tell([bytes]))).toEqual([
      [1, 0, "invalid_utf8"],
      [2, 5, "b"],
      [3, 9, "invalid_utf8"],
      [4, 13, "c"],
    ]);
  });

  test("half a character at the very end is a line still being written", async () => {
    const told = await tell([Buffer.concat([encode('1\n"'), Uint8Array.of(0xf0, 0x9f)])]);
    expect(short(told)).toEqual([[1, 0, 1]]);
    expect(told.torn).toBe(1);
  });

  test.each([
    [
      "at the limit",
      10,
      [
        [1, 0, "xxxxxxxx"],
        [2, 11, 2],
      ],
    ],
    [
      "over it",
      9,
      [
        [1, 0, "line_too_long"],
        [2, 11, 2],
      ],
    ],
  ])("a line %s", async (_name, max, expected) => {
    expect(short(await tell([encode('"xxxxxxxx"\n2\n')], max))).toEqual(expected);
  });

  test("an over-long last line without newline is bad, not torn", async () => {
    const told = await tell([encode("1\n"), encode("x".repeat(50)), encode("x".repeat(50))], 60);
    expect(short(told)).toEqual([
      [1, 0, 1],
      [2, 2, "line_too_long"],
    ]);
    expect(told.torn).toBe(0);
  });

  test("a source that uses its buffer again does no harm", async () => {
    const buffer = new Uint8Array(3);
    async function* reusing(): AsyncGenerator<Uint8Array> {
      for (const part of ['["a', 'b",', "12]", '\n"c', '"\n\n']) {
        buffer.set(encode(part));
        yield buffer;
      }
    }
    const told: Told = { records: [], blank: 0, torn: 0, bytes: 0 };
    for await (const batch of readJsonl(reusing(), { where: "a" })) add(told, batch);
    expect(short(told)).toEqual([
      [1, 0, ["ab", 12]],
      [2, 10, "c"],
    ]);
  });
});

describe("read-jsonl: what cannot be read on", () => {
  async function failure(parts: readonly Uint8Array[]): Promise<{ error: unknown; told: Told }> {
    const told: Told = { records: [], blank: 0, torn: 0, bytes: 0 };
    try {
      for await (const batch of readJsonl(reads(parts), { where: "night/a.jsonl" })) add(told, batch);
    } catch (error) {
      return { error, told };
    }
    throw new Error("it was read to its end");
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
    expect(short(told)).toEqual(
      told.records.map((_, i) => [i + 1, expect.any(Number), { n: i, x: expect.any(String) }]),
    );
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

describe("read-jsonl: memory", () => {
  const part = encode(`{"x":"${"y".repeat(1_000)}"}\n`.repeat(64));
  const total = 200_000_000;

  /** Counts how far the source is ahead of what was handed on. */
  async function ahead(
    source: (given: (bytes: number) => void) => AsyncGenerator<Uint8Array>,
  ): Promise<{ most: number; read: number; records: number }> {
    let given = 0;
    let read = 0;
    let records = 0;
    let most = 0;
    const counted = source((bytes) => {
      given += bytes;
      most = Math.max(most, given - read);
    });
    for await (const batch of readJsonl(counted, { where: "a" })) {
      read += batch.bytes;
      records += batch.records.length;
    }
    return { most, read, records };
  }

  test("plain: 200 MB are asked for one read at a time", async () => {
    const { most, read, records } = await ahead(async function* (given) {
      for (let sent = 0; sent < total; sent += part.length) {
        given(part.length);
        yield part;
      }
    });
    expect(read).toBeGreaterThanOrEqual(total);
    expect(records).toBe((read / part.length) * 64);
    expect(most).toBeLessThanOrEqual(2 * part.length);
  });

  test("zipped: the source waits while what was unzipped is not taken, and no wait leaves a listener behind", async () => {
    const writes = jest.spyOn(Object.getPrototypeOf(createGunzip()) as Gunzip, "write");
    let listeners = 0;
    const { most, read } = await ahead(async function* (given) {
      // stored, not compressed: as many bytes in as out, so that ahead is what is held
      const zip = createGzip({ level: 0 });
      const feeding = (async () => {
        for (let sent = 0; sent < total / 4; sent += part.length)
          if (!zip.write(part)) await new Promise((resolve) => zip.once("drain", resolve));
        zip.end();
      })();
      for await (const bytes of zip) {
        given((bytes as Uint8Array).length);
        const unzip = writes.mock.contexts[0] as Gunzip | undefined;
        listeners = Math.max(listeners, unzip?.listenerCount("close") ?? 0);
        yield bytes as Uint8Array;
      }
      await feeding;
    });
    expect(writes.mock.calls.length).toBeGreaterThan(100);
    writes.mockRestore();
    expect(read).toBeGreaterThanOrEqual(total / 4);
    expect(most).toBeLessThan(1_000_000);
    expect(listeners).toBeLessThan(10);
  });

  test("an over-long line is not held: 200 MB of it are read on, and the next record is there", async () => {
    const endless = new Uint8Array(1_000_000).fill(0x78);
    const found: unknown[] = [];
    async function* source(): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < total; sent += endless.length) yield endless;
      yield encode('\n{"a":1}\n');
    }
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    for await (const batch of readJsonl(source(), { where: "a", maxLineBytes: 4_000_000 })) {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      for (const { line, offset, parsed } of batch.records)
        found.push([line, offset, parsed.ok ? parsed.value : parsed.bad]);
    }
    expect(found).toEqual([
      [1, 0, "line_too_long"],
      [2, total + 1, { a: 1 }],
    ]);
    expect(most).toBeLessThan(50_000_000);
  });
});
