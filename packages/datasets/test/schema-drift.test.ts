import { badCodes, type RowsLine } from "@assay/core";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { parquetWriteBuffer } from "hyparquet-writer";
import { readParquet } from "../src/read-parquet.ts";
import { createTextLines } from "../src/text-lines.ts";
import { hostileText } from "./hostile-bytes.ts";
import { inputOf, tell } from "./input-of.ts";
import { storedLines } from "./stored-lines.ts";

/**
 * Files of one input whose columns differ: every record is read by its own file's names and types, good with its text
 * unchanged or bad with a code at its place; never with a value that stands under another column's name.
 */

const seed = 20_261_126;

type Row = { readonly [column: string]: unknown };

/** What becomes of a score of each kind in a column of doubles; undefined = a bad record. */
const kinds: readonly { readonly score: unknown; readonly read: number | null | undefined; readonly inCsv?: number }[] =
  [
    { score: 0.1, read: 0.1 },
    { score: -3, read: -3 },
    { score: null, read: null },
    { score: "0.25", read: undefined, inCsv: 0.25 },
    { score: "high", read: undefined },
    { score: true, read: undefined },
    { score: [0.5], read: undefined },
    { score: { "0": 0.5 }, read: undefined },
  ];

/** One file: its columns in any order, some of them missing or under another name, and one kind of score. */
const file = fc.record({
  order: fc.shuffledSubarray(["prompt", "response", "score", "note"], { minLength: 4 }),
  dropped: fc.option(fc.constantFrom("prompt", "response", "score", "note")),
  renamed: fc.boolean(),
  kind: fc.constantFrom(...kinds),
  nested: fc.boolean(),
  texts: fc.array(fc.tuple(hostileText, hostileText, hostileText), { minLength: 1, maxLength: 4 }),
});
type DriftingFile = Parameters<Parameters<typeof file.map>[0]>[0];

/** Its rows as they are written, and what each has to become: its texts, or null for a bad record. */
function rowsOf(given: DriftingFile, format: Format): { written: Row[]; expected: (Row | null)[] } {
  const { order, dropped, renamed, kind, nested } = given;
  const score = format.name === "csv" && kind.inCsv !== undefined ? kind.inCsv : kind.read;
  const names = order.filter((name) => name !== dropped);
  const isReadable = names.includes("prompt") && names.includes("response") && !renamed;
  const pairs = given.texts.map(([a, b, c]) => {
    const text = (value: string): string => (format.keepsHalves ? value : value.toWellFormed());
    // a cell that begins with a bracket is a list to CSV
    const [prompt, response, note] = [`Q${text(a)}`, text(b), text(c)];
    const cells: Row = {
      prompt: nested ? [{ role: "user", content: prompt }] : prompt,
      response,
      score: kind.score,
      note,
    };
    const written = Object.fromEntries(
      names.map((name) => [renamed && name === "response" ? "answer" : name, cells[name]]),
    );
    const isGood =
      isReadable &&
      [prompt, response, names.includes("note") ? note : ""].every((each) => each.isWellFormed()) &&
      (score !== undefined || !names.includes("score"));
    const carried = { ...(names.includes("score") ? { score } : {}), ...(names.includes("note") ? { note } : {}) };
    return { written, expected: isGood ? { prompt, response, carried } : null };
  });
  return { written: pairs.map(({ written }) => written), expected: pairs.map(({ expected }) => expected) };
}

interface Format {
  readonly name: "jsonl" | "csv" | "parquet";
  /** its text can hold half a character, as an escape */
  readonly keepsHalves: boolean;
  readonly write: (rows: readonly Row[]) => Uint8Array;
}

const formats: readonly Format[] = [
  {
    name: "jsonl",
    keepsHalves: true,
    write: (rows) => Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join("")),
  },
  {
    name: "csv",
    keepsHalves: false,
    write: (rows) => {
      const lines = createTextLines("csv", Object.keys(rows[0] ?? {}));
      return Buffer.from(lines.rows(rows));
    },
  },
  {
    name: "parquet",
    keepsHalves: false,
    write: (rows) =>
      new Uint8Array(
        parquetWriteBuffer({
          columnData: Object.keys(rows[0] ?? {}).map((name) => ({ name, data: rows.map((row) => row[name]) })),
        }),
      ),
  },
];

describe("schema drift between the files of an input", () => {
  test.each(formats.map((format) => [format.name, format] as const))(
    `%s: each record by its own file's names and types, or bad (seed ${seed})`,
    async (name, format) => {
      const became = { good: 0, bad: 0 };
      await fc.assert(
        fc.asyncProperty(fc.array(file, { minLength: 1, maxLength: 3 }), async (files) => {
          for (const [i, given] of files.entries()) {
            const { written, expected } = rowsOf(given, format);
            const lines = await storedLines(inputOf(format.write(written)), `${i}.${name}`, {
              columns: [{ name: "score", type: "double" }],
            });
            expect(lines.map(({ row_index }) => row_index)).toEqual(expected.map((_, k) => k));
            for (const [k, line] of lines.entries()) {
              became["bad" in line ? "bad" : "good"] += 1;
              expect(line.input).toBe(`${i}.${name}`);
              if (name !== "csv") expect(line.input_line).toBe(k + 1);
              expect(texts(line)).toEqual(expected[k]);
            }
          }
        }),
        { seed, numRuns: 300 },
      );
      expect(Math.min(became.good, became.bad)).toBeGreaterThan(100);
    },
  );
});

/** The texts that a line of rows/ asks with, or null where it is bad by a known code. */
function texts(line: RowsLine): Row | null {
  if ("bad" in line) {
    expect(badCodes).toContain(line.bad);
    return null;
  }
  return { prompt: line.messages[0]?.content, response: line.response, carried: line.carried ?? {} };
}

describe("Parquet columns that the library would mistake for each other", () => {
  const text = (name: string) =>
    ({ name, type: "BYTE_ARRAY", repetition_type: "OPTIONAL", converted_type: "UTF8" }) as const;
  const write = (columns: readonly string[]): Uint8Array =>
    new Uint8Array(
      parquetWriteBuffer({
        schema: [{ name: "root", num_children: columns.length }, ...columns.map(text)],
        columnData: columns.map((name, i) => ({ name, data: [`value ${i}`] })),
      }),
    );

  test.each([
    ["a name twice", ["prompt", "response", "prompt"], '"prompt"'],
    ["__proto__, which would be lost", ["prompt", "__proto__"], '"__proto__"'],
  ])("%s: the file is refused, and the column named", async (_name, columns, got) => {
    const reading = tell(readParquet(await inputOf(write(columns)).ranges(), { where: "x.parquet" }));
    await expect(reading).rejects.toMatchObject({ code: "E_INPUT_UNREADABLE", where: "x.parquet", got });
  });

  test("a name with a dot is a name", async () => {
    const { records } = await tell(readParquet(await inputOf(write(["a.b", "a"])).ranges(), { where: "x.parquet" }));
    expect(records[0]?.parsed).toEqual({ ok: true, value: { "a.b": "value 0", a: "value 1" } });
  });
});
