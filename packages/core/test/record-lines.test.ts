import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { isAssayError } from "../src/error.ts";
import type { NormalisedRecord } from "../src/normalise-record.ts";
import { parseRows } from "../src/parse-rows.ts";
import { inputStem, recordLines, rowCount, serialiseLine } from "../src/record-lines.ts";
import { type Json, type RowsLine, rowsOf } from "../src/row.ts";

const seed = 20_261_125;
const place = { input: "sub/a.jsonl", inputLine: 7, offset: 1_234, rowIndex: 100 };

const record = {
  ok: true,
  id: null,
  group: null,
  messages: [{ role: "user", content: "Q" }],
  responses: ["A", "B", "C"],
  principles: ["p", "q"],
  carried: null,
  leftOut: [],
} as const satisfies NormalisedRecord;

describe("record-lines", () => {
  test("responses outer, principles inner; every principle its own row_index from the place on", () => {
    const lines = recordLines(record, place);
    expect(lines.map((line) => ("bad" in line ? null : [line.row_index, line.response_index, line.response]))).toEqual([
      [100, 0, "A"],
      [102, 1, "B"],
      [104, 2, "C"],
    ]);
    const rows = lines.flatMap((line) => ("bad" in line ? [] : rowsOf(line)));
    expect(rows.map((row) => [row.rowIndex, row.principleIndex, row.principle, row.line.response])).toEqual([
      [100, 0, "p", "A"],
      [101, 1, "q", "A"],
      [102, 0, "p", "B"],
      [103, 1, "q", "B"],
      [104, 0, "p", "C"],
      [105, 1, "q", "C"],
    ]);
    expect(lines.map(rowCount)).toEqual([2, 2, 2]);
  });

  test("id and group: the user's, else stem and line, and the hash of the conversation alone", () => {
    const [mine] = recordLines({ ...record, id: "i", group: "g" }, place);
    expect(mine).toMatchObject({ id: "i", group: "g" });
    const groupOf = (changed: Partial<typeof record>): unknown => {
      const [line] = recordLines({ ...record, ...changed } as NormalisedRecord, place);
      return line !== undefined && "group" in line ? line.group : null;
    };
    expect(recordLines(record, place)[0]?.id).toBe("a:7");
    expect(groupOf({})).toMatch(/^[0-9a-f]{16}$/);
    expect(groupOf({ responses: ["X", "Y", "Z"] as never, principles: ["r", "s"] as never })).toBe(groupOf({}));
    expect(groupOf({ messages: [{ role: "user", content: "Q " }] as never })).not.toBe(groupOf({}));
    expect(groupOf({ messages: [{ role: "system", content: "Q" }] as never })).not.toBe(groupOf({}));
    // the same messages with their keys in another order are the same conversation
    expect(groupOf({ messages: [{ content: "Q", role: "user" }] as never })).toBe(groupOf({}));
  });

  test("what is true of one response is carried by its line alone", () => {
    const own = { ...record, carried: { n: 1, side: "?" }, perResponse: [{ side: "A" }, { side: "B" }, {}] };
    expect(recordLines(own, place).map((line) => ("bad" in line ? null : line.carried))).toEqual([
      { n: 1, side: "A" },
      { n: 1, side: "B" },
      { n: 1, side: "?" },
    ]);
    const none = recordLines({ ...own, carried: null }, place)[1];
    expect(none).toMatchObject({ carried: { side: "B" } });
  });

  test("a bad record is one line that takes one row_index, with its place and no text", () => {
    const [bad, ...none] = recordLines({ ok: false, bad: "wrong_type", field: "prompt" }, place);
    if (bad === undefined) throw new Error("no line");
    expect(none).toEqual([]);
    expect(rowCount(bad)).toBe(1);
    expect(serialiseLine(bad)).toBe(
      '{"row_index":100,"id":"a:7","input":"sub/a.jsonl","input_line":7,"bad":"wrong_type","at":1234,"field":"prompt"}\n',
    );
    const [fieldless] = recordLines({ ok: false, bad: "invalid_json" }, place);
    if (fieldless === undefined) throw new Error("no line");
    expect(serialiseLine(fieldless)).toBe(
      '{"row_index":100,"id":"a:7","input":"sub/a.jsonl","input_line":7,"bad":"invalid_json","at":1234}\n',
    );
  });

  test.each([
    ["a.jsonl", "a"],
    ["sub/dir/a.b.jsonl.gz", "a.b"],
    ["A.JSONL.GZ", "A"],
    ["a.ndjson", "a"],
    ["a.json", "a"],
    ["stdin", "stdin"],
    ["sub/.jsonl", ".jsonl"],
    ["a.gz", "a"],
    ["a.jsonl.zst", "a"],
    ["a.csv.gz", "a"],
    ["a.parquet", "a"],
    ["a.txt", "a.txt"],
  ])("stem of %s is %s", (input, stem) => {
    expect(inputStem(input)).toBe(stem);
  });
});

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("\u2028\u2029", "\n\r", "\ufeff", "\u{1f600}", "__proto__"),
);
const json = fc.jsonValue({ stringUnit: "binary" }).map((value) => JSON.parse(JSON.stringify(value)) as Json);
const carried = fc.option(
  fc.array(fc.tuple(text, json), { minLength: 1, maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
);
const anyRecord = fc.oneof(
  fc.record({
    ok: fc.constant(true as const),
    id: fc.option(text),
    group: fc.option(text),
    messages: fc.array(fc.record({ role: fc.constantFrom("user", "system"), content: text }), {
      minLength: 1,
      maxLength: 3,
    }),
    responses: fc.array(text, { minLength: 1, maxLength: 3 }),
    principles: fc.array(text, { minLength: 1, maxLength: 3 }),
    carried,
    leftOut: fc.constant<string[]>([]),
  }),
  fc.record({ ok: fc.constant(false as const), bad: fc.constantFrom("invalid_json" as const, "wrong_type" as const) }),
  fc.record({ ok: fc.constant(false as const), bad: fc.constant("wrong_type" as const), field: text }),
);

describe("parse-rows", () => {
  const encode = (lines: readonly RowsLine[]): Uint8Array =>
    new TextEncoder().encode(lines.map(serialiseLine).join(""));

  test(`what is written is what is read, line for line and in the same bytes (seed ${seed})`, () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 5 }), (records) => {
        let rowIndex = 0;
        const lines = records.flatMap((one, i) => {
          const made = recordLines(one, { ...place, inputLine: i + 1, rowIndex });
          rowIndex += made.reduce((sum, line) => sum + rowCount(line), 0);
          return made;
        });
        const bytes = encode(lines);
        const read = parseRows(bytes);
        expect(read).toEqual(lines);
        expect(Buffer.compare(encode(read), bytes)).toBe(0);
      }),
      { seed, numRuns: 500 },
    );
  });

  test("no bytes are no lines", () => {
    expect(parseRows(new Uint8Array())).toEqual([]);
  });

  const line = serialiseLine(recordLines(record, place)[0] as RowsLine);
  const secret = "the prompt of a customer";
  test.each<[string, string | Uint8Array, string | undefined]>([
    ["a line that is no JSON", `${line}{"row_index":1,"secret":"${secret}\n`, "line 2"],
    ["a text that JSON.parse would quote", "a customer\n", "line 1"],
    ["a JSON text", `"${secret}"\n`, "line 1"],
    ["null", "null\n", "line 1"],
    ["a list", `${line}${line}[]\n`, "line 3"],
    ["no row_index", '{"principles":[]}\n', "line 1"],
    ["principles of another kind", '{"row_index":1,"principles":"p"}\n', "line 1"],
    ["a blank line", `${line}\n`, "line 2"],
    ["a last line that is cut", `${line}${line.slice(0, 40)}`, "line 2"],
    ["a last line without its newline", `${line}${line.trimEnd()}`, "line 2"],
    ["bytes that are no text", new Uint8Array([0x7b, 0xff, 0x7d, 0x0a]), undefined],
  ])("E_BROKEN, and nothing of the text: %s", (_name, bytes, where) => {
    let caught: unknown = null;
    try {
      parseRows(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
    } catch (error) {
      caught = error;
    }
    if (!isAssayError(caught, "E_BROKEN")) throw new Error(`not E_BROKEN: ${String(caught)}`);
    expect(caught.where).toBe(where);
    expect(`${caught.message} ${caught.got} ${String(caught.cause)}`).not.toContain("customer");
  });
});
