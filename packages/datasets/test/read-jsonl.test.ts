import { gzipSync } from "node:zlib";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { readJsonl } from "../src/read-jsonl.ts";
import { encode, reads, type Told, tell as tellAll } from "./input-of.ts";

/** Every line of a file is a record, blank or still being written, whatever the reads. */

const seed = 20_261_125;
/** The parts at which `cuts` (any numbers) cut the bytes; empty reads come up, too. */
function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return places.slice(1).map((to, i) => bytes.subarray(places[i], to));
}

function tell(parts: readonly Uint8Array[], maxLineBytes?: number): Promise<Told> {
  return tellAll(
    readJsonl(reads(parts), { where: "a.jsonl", ...(maxLineBytes === undefined ? {} : { maxLineBytes }) }),
  );
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
      "the same of what begins no record is bad: binary data, or another file's end",
      '1\n"a',
      [
        [1, 0, 1],
        [2, 2, "invalid_json"],
      ],
    ],
    [
      "half a record with a newline is bad",
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
    const told = await tell([Buffer.concat([encode('1\n{"a":"'), Uint8Array.of(0xf0, 0x9f)])]);
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
    expect(short(await tellAll(readJsonl(reusing(), { where: "a" })))).toEqual([
      [1, 0, ["ab", 12]],
      [2, 10, "c"],
    ]);
  });
});
