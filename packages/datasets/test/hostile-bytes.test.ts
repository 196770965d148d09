import { isAssayError } from "@assay/core";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { csv } from "../src/importers/csv.ts";
import { records } from "../src/importers/records.ts";
import { recordReader } from "../src/read-records.ts";
import { hostileBytes, packings } from "./hostile-bytes.ts";
import { inputOf, type Told, tellToEnd } from "./input-of.ts";

/** Whatever bytes come in: records with their places, or E_INPUT_UNREADABLE that names the file; nothing else, and an end. */

const seed = 20_261_126;

/** What was told until the end, and the error that was one. */
function ends(bytes: Uint8Array, name: string, partBytes: number): Promise<{ told: Told; error: unknown }> {
  const reader = recordReader(name.includes(".csv") ? csv : records, { detected: false, columns: [], map: {} });
  return tellToEnd(reader(inputOf(bytes, partBytes), { where: `in/${name}`, input: name }));
}

describe.each(["a.jsonl", "a.json", "a.csv"])("any bytes named %s", (name) => {
  test(`are records in their order and at their places, or a code with the file's name (seed ${seed})`, async () => {
    const ended = { well: 0, refused: 0, good: 0 };
    await fc.assert(
      fc.asyncProperty(
        hostileBytes,
        fc.constantFrom(...packings),
        fc.integer({ min: 1, max: 40 }),
        async (bytes, pack, partBytes) => {
          const { told, error } = await ends(pack(bytes), name, partBytes);
          if (error !== null) {
            ended.refused += 1;
            if (!isAssayError(error, "E_INPUT_UNREADABLE")) throw error;
            expect(error.where).toMatch(/^in\/a\./);
            expect(error.got ?? error.message).not.toBe("");
          } else {
            ended.well += 1;
            expect(told.bytes).toBe(bytes.length);
          }
          let before = -1;
          for (const { line, offset, parsed } of told.records) {
            expect(offset).toBeGreaterThan(before);
            expect(offset).toBeLessThan(bytes.length);
            before = offset;
            expect(line).toBeGreaterThan(0);
            // by the quotes of CSV, too, a lone carriage return may or may not be an end of a line
            if (!bytes.includes(0x0d))
              expect(bytes.subarray(0, offset).filter((byte) => byte === 0x0a)).toHaveLength(line - 1);
            if (parsed.ok) {
              ended.good += 1;
              expectText(parsed.value, bytes.subarray(offset));
            }
          }
        },
      ),
      { seed, numRuns: 800 },
    );
    expect(Math.min(...Object.values(ended))).toBeGreaterThan(20);
  });

  test(`tell the same however they are cut and packed (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(hostileBytes, fc.constantFrom(...packings), async (bytes, pack) => {
        // bytes that are gzip by themselves would be twice in it
        fc.pre(bytes[0] !== 0x1f);
        const whole = await ends(bytes, name, bytes.length + 1);
        const cut = await ends(pack(bytes), name, 1);
        const place = ({ error }: { error: unknown }): unknown => isAssayError(error) && [error.code, error.where];
        expect(place(cut)).toEqual(place(whole));
        // an error in a read takes the records of that read with it
        if (whole.error === null) expect(cut.told).toEqual(whole.told);
      }),
      { seed, numRuns: 300 },
    );
  });

  /** Every text of the value stands in the input, at or behind its place: as it is, as JSON writes it, or with its quotes doubled. */
  function expectText(value: unknown, from: Buffer): void {
    if (typeof value === "object" && value !== null) {
      for (const [key, member] of Object.entries(value)) {
        if (!name.endsWith(".csv") && !Array.isArray(value)) expectText(key, from);
        expectText(member, from);
      }
    } else if (typeof value === "string") {
      const spelt = [value, value.replaceAll('"', '""'), JSON.stringify(value).slice(1, -1)];
      // an escape of what needs none, such as \u0041, is spelt in no one way
      expect(from.includes("\\u") || spelt.some((text) => from.includes(text))).toBe(true);
    }
  }
});

test.each<[string, string, unknown]>([
  ["a field twice: the last one counts, as in every reader of JSON", '{"a":1,"a":2}', { a: 2 }],
  [
    "__proto__ is a name like any other",
    '{"__proto__":1,"constructor":2}',
    Object.fromEntries([
      ["__proto__", 1],
      ["constructor", 2],
    ]),
  ],
  ["escapes of half a character are text that is refused later", '{"a":"\\ud800"}', { a: "\ud800" }],
  [
    "NUL, direction marks and a byte order mark inside of a text",
    '{"a":"\\u0000\u202e\ufeff"}',
    { a: "\0\u202e\ufeff" },
  ],
  ["a number beyond all measure", '{"a":1e999}', { a: Number.POSITIVE_INFINITY }],
])("JSON: %s", async (_name, line, expected) => {
  for (const [text, name] of [
    [`${line}\n`, "a.jsonl"],
    [`[${line}]`, "a.json"],
  ] as const) {
    const { told } = await ends(Buffer.from(text), name, 3);
    expect(told.records.map(({ parsed }) => parsed)).toEqual([{ ok: true, value: expected }]);
  }
});

test.each(["a.jsonl", "a.json", "a.csv"])(
  "%s: a text of 10 MB is read as it is",
  async (name) => {
    const long = `${"x".repeat(4_999_999)}\u{1f600}${"y,".repeat(2_500_000)}`;
    const line = JSON.stringify({ response: long });
    const bytes = name === "a.csv" ? `response\n"${long}"\n` : name === "a.json" ? `[${line}]` : `${line}\n`;
    const { told, error } = await ends(Buffer.from(bytes), name, 65_536);
    expect(error).toBeNull();
    const [read] = told.records;
    expect(read?.parsed.ok === true && (read.parsed.value as { response: string }).response === long).toBe(true);
  },
  60_000,
);

const head = "prompt,response\n";
test.each<[string, string, string | Uint8Array, string, RegExp]>([
  [
    "a quote that never closes: where its row begins",
    "a.csv",
    `${head}a,b\n\nc,"d\n${"e\n".repeat(1_000)}`,
    "in/a.csv:4",
    /not closed/,
  ],
  ["line ends of an old Mac", "a.csv", "prompt,response\ra,b\rc,d\r", "in/a.csv:1", /several lines/],
  [
    "a header that is no UTF-8",
    "a.csv",
    Buffer.concat([Buffer.from("pr"), Buffer.from([0xe9]), Buffer.from("mpt,response\n")]),
    "in/a.csv:1",
    /no UTF-8/,
  ],
  ["a member that never ends: where it begins", "a.json", '[{"a":1},\n {"b":"x]\n', "in/a.json, line 2, byte 11", /^$/],
  ["a table of UTF-16", "a.csv", Buffer.from(`\ufeff${head}`, "utf16le"), "in/a.csv", /UTF-16/],
  ["lines of UTF-16", "a.jsonl", Buffer.from('\ufeff{"a":1}\n', "utf16le"), "in/a.jsonl", /UTF-16/],
])("%s", async (_name, name, bytes, where, got) => {
  const { error } = await ends(Buffer.from(bytes), name, 7);
  if (!isAssayError(error, "E_INPUT_UNREADABLE")) throw error;
  expect([error.where, error.got ?? ""]).toEqual([where, expect.stringMatching(got)]);
});
