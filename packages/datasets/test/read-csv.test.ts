import { describe, expect, test } from "@jest/globals";
import { stringify } from "csv-stringify/sync";
import fc from "fast-check";
import { readCsv } from "../src/read-csv.ts";
import { parts, short, tell } from "./input-of.ts";

const seed = 20_261_125;
const read = (text: string | Uint8Array, partBytes = 5) =>
  tell(readCsv(parts(typeof text === "string" ? new TextEncoder().encode(text) : text, partBytes), { where: "x.csv" }));

describe("read-csv", () => {
  test(`what a CSV writer quoted comes back, cells and lines (seed ${seed})`, async () => {
    const cell = fc.oneof(
      fc.string({ unit: "binary" }).map((text) => text.toWellFormed()),
      fc.constantFrom('"', "\n", "a,b", " é "),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell)), fc.integer({ min: 1, max: 40 }), async (rows, partBytes) => {
        const text = stringify(rows, { header: true, columns: ["p", "r"], quoted: true, quoted_empty: true });
        const told = await read(text, partBytes);
        expect(told.records.map(({ parsed }) => parsed.ok && parsed.value)).toEqual(rows.map(([p, r]) => ({ p, r })));
        let line = 2;
        const starts = rows.map((row) => {
          const start = line;
          line += row.join(",").split(/\r\n|\r|\n/).length;
          return start;
        });
        expect(told.records.map((record) => record.line)).toEqual(starts);
      }),
      { seed, numRuns: 300 },
    );
  });

  test("nothing between commas is null and a pair of quotes is a text of no letters", async () => {
    expect(short(await read('p,r\n,""\n'))).toEqual([[2, { p: null, r: "" }]]);
  });

  test("a mark of the encoding, CRLF, blank lines and no newline at the end change no cell", async () => {
    const told = await read('\ufeff"p",r\r\na,b\r\n\r\n"c\nd",e');
    expect(short(told)).toEqual([
      [2, { p: "a", r: "b" }],
      [4, { p: "c\nd", r: "e" }],
    ]);
    expect(told.blank).toBe(1);
  });

  test("too few or too many cells and bytes that are no UTF-8 are bad rows, each by itself", async () => {
    const text = Buffer.concat([Buffer.from("p,r\na\nb,c,d\ne,"), Uint8Array.of(0xff), Buffer.from("\nf,g\n")]);
    expect(short(await read(text))).toEqual([
      [2, "invalid_csv"],
      [3, "invalid_csv"],
      [4, "invalid_utf8"],
      [5, { p: "f", r: "g" }],
    ]);
  });

  test("a last row without newline and with too few cells is still being written", async () => {
    const told = await read("p,r\na,b\nc");
    expect(short(told)).toEqual([[2, { p: "a", r: "b" }]]);
    expect(told.torn).toBe(1);
    // with its newline it is a bad row
    expect(short(await read("p,r\na,b\nc\n")).at(-1)).toEqual([3, "invalid_csv"]);
  });

  test.each([
    ["a quote that is not closed", 'p,r\na,b\nc,"secret text\n', "x.csv:3", /not closed/],
    ["a letter behind a closing quote", 'p,r\na,"b"secret\n', "x.csv:2", /closing quote/],
    ["a quote within a cell", 'p,r\na,b"secret\n', "x.csv:2", /within a cell/],
    ["a name twice", "p,p\na,b\n", "x.csv:1", /"p" twice/],
    ["a column without a name", "p,\na,b\n", "x.csv:1", /without a name/],
  ])("%s cannot be read on, and no cell is quoted", async (_name, text, where, got) => {
    const error = await read(text).catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: "E_INPUT_UNREADABLE", where, got: expect.stringMatching(got) });
    expect(JSON.stringify({ ...error, message: (error as Error).message })).not.toContain("secret");
  });
});
