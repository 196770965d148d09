import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Message,
  type ResultRow,
  type ResultSample,
  type RowsLine,
  resultColumns,
  type UserColumn,
} from "@assay/core";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { chooseFormat } from "../src/choose-format.ts";
import { type ExportOptions, type ExportRow, exportFormats } from "../src/export-row.ts";
import { promptText } from "../src/prompt-text.ts";
import { writeExport } from "../src/write-export.ts";
import { duckdb } from "./duckdb.ts";
import { hostileText } from "./hostile-bytes.ts";
import { inputOf } from "./input-of.ts";
import { anyRow, okRow, userColumns } from "./result-rows.ts";
import { storedLines } from "./stored-lines.ts";

/**
 * What a record carries is stored as it was written, or the record is bad; and an export that is read as input loses
 * nothing: written again it is the same bytes.
 */

const seed = 20_261_126;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-carried-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A value as it stands in JSON, and whether a number of 64 bits holds it. */
interface Written {
  readonly json: string;
  readonly exact: boolean;
}

const written: fc.Arbitrary<Written> = fc.oneof(
  fc.jsonValue({ stringUnit: "binary" }).map((value) => ({ json: JSON.stringify(value), exact: isExact(value) })),
  hostileText.filter((text) => text.isWellFormed()).map((text) => ({ json: JSON.stringify(text), exact: true })),
  fc
    .constantFrom("-0", "1.0", "1E5", "0.1000000000000000055", "9007199254740991", "1e21", '[1,"1",true,null,{}]')
    .map((json) => ({ json, exact: true })),
  // a long integer within a text is text
  fc
    .constantFrom('"340282366920938463463374607431768211455"', '{"a\\\\":"\\"1234567890123456789012,\\\\"}')
    .map((json) => ({ json, exact: true })),
  fc
    .constantFrom(
      "9007199254740993",
      "-9223372036854775808",
      "340282366920938463463374607431768211455",
      "-1234567890123456789012",
      '{"a":["\\"",1234567890123456789012]}',
      "1e400",
    )
    .map((json) => ({ json, exact: false })),
);

/** Integers beyond 2^53 and below 1e21 are refused: they may have been rounded. */
function isExact(value: unknown): boolean {
  if (typeof value === "number")
    return !Number.isInteger(value) || Number.isSafeInteger(value) || Math.abs(value) >= 1e21;
  return typeof value !== "object" || value === null || Object.values(value).every(isExact);
}

const names = fc.constantFrom("n", "x", "7", "carried", "reward", "\u00e9 \u{1f600}", "__proto__", "constructor");
const record = fc.uniqueArray(fc.tuple(names, written), { maxLength: 4, selector: ([name]) => name });

const textOf = (fields: readonly (readonly [string, Written])[]): string =>
  `{${fields.map(([name, { json }]) => `${JSON.stringify(name)}:${json}`).join(",")}}`;

/** Records of one text, one response and one principle, with these fields beside. */
async function linesOf(records: readonly (readonly (readonly [string, Written])[])[]): Promise<RowsLine[]> {
  const own = '"prompt":"Q","response":"A","principle":"p"';
  const text = records.map((fields) => `{${[own, textOf(fields).slice(1, -1)].filter(Boolean).join(",")}}\n`).join("");
  return storedLines(inputOf(text), "a.jsonl", { carryAll: true });
}

test(`fields of any and changing types are carried as they were written, or their record is bad (seed ${seed})`, async () => {
  const became = { good: 0, bad: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 5 }), async (records) => {
      const lines = await linesOf(records);
      expect(lines).toHaveLength(records.length);
      for (const [i, line] of lines.entries()) {
        const fields = records[i] ?? [];
        const isGood = fields.every(([, { exact }]) => exact);
        became[isGood ? "good" : "bad"] += 1;
        expect("bad" in line).toBe(!isGood);
        if ("bad" in line) expect(["unsafe_integer", "wrong_type"]).toContain(line.bad);
        // -0 is 0, as JSON writes it
        else expect(JSON.stringify(line.carried ?? {})).toBe(JSON.stringify(JSON.parse(textOf(fields))));
      }
    }),
    { seed, numRuns: 500 },
  );
  expect(Math.min(became.good, became.bad)).toBeGreaterThan(100);
});

/** Types of the columns of an export, for CSV, whose cells have none. */
const typed: readonly UserColumn[] = [
  ...["row_index", "input_line", "response_index", "principle_index", "neutralised", "stripped_chars", "prompt_tokens"],
  ...["cached_tokens", "completion_tokens", "queue_ms", "latency_ms", "attempts", "in_turn"],
]
  .map((name): UserColumn => ({ name, type: "int64" }))
  .concat(["reward", "logprob_yes", "logprob_no", "yes_no_mass", "in_score"].map((name) => ({ name, type: "double" })))
  .concat(["floored", "in_gold"].map((name) => ({ name, type: "boolean" })));

/** Single texts as much as turns, and texts that look like turns. */
const conversation: fc.Arbitrary<readonly Message[]> = fc.oneof(
  fc
    .oneof(hostileText, fc.constantFrom("[", "[]", "[1]", '[{"role":"user","content":"x"}]', "", " [1]", '"x"'))
    .map((text) => [{ role: "user", content: text.toWellFormed() }]),
  fc.array(
    fc.record({
      role: fc.constantFrom("system", "user", "assistant"),
      content: hostileText.map((text) => text.toWellFormed()),
    }),
    { minLength: 1, maxLength: 4 },
  ),
);

/** Rows of records that could be read: with a conversation, a group and a principle, and with what fields they carry. */
const exportRow: fc.Arbitrary<ExportRow> = fc
  .tuple(
    anyRow.filter(({ carried: _carried, ...row }) => isExact(row)),
    conversation,
    fc.tuple(hostileText, hostileText, fc.string({ unit: "binary" })),
    fc.option(record),
  )
  .map(([row, messages, texts, fields]) => {
    const [response = "", principle = "", group = ""] = texts.map((text) => text.toWellFormed());
    const exact = fields?.filter(([, value]) => value.exact) ?? null;
    const carried = exact === null ? null : JSON.stringify(JSON.parse(textOf(exact)));
    // an empty principle is none
    const changed = { ...row, group, principle: `p${principle}`, carried };
    // the order in which a shard holds them
    const fixed = Object.fromEntries(resultColumns.map((name) => [name, changed[name]]));
    return { row: { ...fixed, columns: row.columns } as ResultRow, prompt: promptText(messages), response };
  });

async function exported(format: ExportOptions["format"], rows: readonly ExportRow[]): Promise<Buffer> {
  const writes: Buffer[] = [];
  const write = async (bytes: Uint8Array): Promise<void> => void writes.push(Buffer.from(bytes));
  await writeExport({ format, text: true, columns: userColumns }, inOne(rows), { write });
  return Buffer.concat(writes);
}

async function* inOne(rows: readonly ExportRow[]): AsyncGenerator<readonly ExportRow[]> {
  yield rows;
}

/** The row of an export out of the line that it became as input. */
function rowOf(line: RowsLine): ExportRow {
  if ("bad" in line) throw new Error(`a row of an export is ${line.bad} (${line.field})`);
  const { id, group, principles, messages, response } = line;
  const cells: { readonly [column: string]: unknown } = line.carried ?? {};
  const fixed = Object.fromEntries(resultColumns.map((name) => [name, cells[name] ?? null]));
  const { carried, samples, scored_at } = fixed;
  const row = {
    ...fixed,
    id,
    group,
    principle: principles[0]?.text ?? null,
    scored_at: Date.parse(String(scored_at)),
    samples: typeof samples === "string" ? (JSON.parse(samples) as ResultSample[]) : samples,
    // text in Parquet and CSV, a value in JSON Lines
    carried: typeof carried === "object" && carried !== null ? JSON.stringify(carried) : carried,
    columns: Object.fromEntries(userColumns.map(({ name }) => [`in_${name}`, cells[`in_${name}`] ?? null])),
  };
  return { row: row as unknown as ResultRow, prompt: promptText(messages), response };
}

test.each(exportFormats)(
  `a %s export that is read as input has every value, and written again it is the same bytes (seed ${seed})`,
  async (format) => {
    await fc.assert(
      fc.asyncProperty(fc.array(exportRow, { minLength: 1, maxLength: 4 }), async (rows) => {
        const bytes = await exported(format, rows);
        const columns = format === "csv" ? typed : [];
        const source = { ...inputOf(bytes), input: `export.${format}`, where: "export" };
        expect((await chooseFormat([source])).name).toBe(format === "csv" ? "csv" : "records");
        const lines = await storedLines(source, source.input, { carryAll: true, columns });
        const read = lines.map(rowOf);
        expect(read).toEqual(rows);
        expect((await exported(format, read)).equals(bytes)).toBe(true);
      }),
      { seed, numRuns: 150 },
    );
  },
);

test("columns of Parquet of every kind are carried, and come back from every export", async () => {
  const path = join(folder, "kinds.parquet");
  await duckdb(`COPY (
    select 'Q' as prompt, 'A' as response, 'p' as principle, i as id, case when i = 1 then 1.5 end as hole,
      case when i = 1 then date '2026-01-02' end as day, timestamp '2026-01-02 03:04:05.123456' as us,
      9007199254740993::bigint + i as large, 0.07::decimal(4, 2) as hundredths, 12345678901234.5678::decimal(18, 4) as wide,
      [0.3::decimal(2, 1), null] as list, {'a': i = 1, 'b': ['x', null]} as struct, map {'k': i} as map,
      uuid '00000000-0000-0000-0000-00000000000a' as uuid, time '01:02:03' as clock
    from range(1, 3) t(i)) TO '${path}' (FORMAT parquet)`);
  const lines = await storedLines(inputOf(await readFile(path)), "a.parquet", { carryAll: true });
  const carried = lines.map((line) => ("bad" in line ? line.bad : line.carried));
  const same = {
    us: "2026-01-02T03:04:05.123456Z",
    hundredths: 0.07,
    wide: "12345678901234.5678",
    list: [0.3, null],
    uuid: "00000000-0000-0000-0000-00000000000a",
    clock: 3_723_000_000,
  };
  expect(carried).toEqual([
    {
      ...same,
      hole: 1.5,
      day: "2026-01-02",
      large: "9007199254740994",
      struct: { a: true, b: ["x", null] },
      map: { k: 1 },
    },
    { ...same, hole: null, day: null, large: "9007199254740995", struct: { a: false, b: ["x", null] }, map: { k: 2 } },
  ]);
  const rows = carried.map((fields, i) => {
    return { row: okRow(i, { carried: JSON.stringify(fields) }), prompt: "Q", response: "A" };
  });
  for (const format of exportFormats) {
    const columns = format === "csv" ? typed : [];
    const bytes = await exported(format, rows);
    const read = (await storedLines(inputOf(bytes), `export.${format}`, { carryAll: true, columns })).map(rowOf);
    expect([format, read.map(({ row }) => JSON.parse(row.carried ?? ""))]).toEqual([format, carried]);
  }
});
