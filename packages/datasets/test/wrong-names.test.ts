import { isAssayError, type RowsLine } from "@assay/core";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { chooseFormat } from "../src/choose-format.ts";
import { isCsv } from "../src/choose-inputs.ts";
import type { ReadRecord } from "../src/read-jsonl.ts";
import { recordReader } from "../src/read-records.ts";
import { isInPage } from "./checksummed-parquet.ts";
import {
  fileNames,
  parquetOf,
  readFormats,
  refusedFormats,
  type WrittenFormat,
  writtenRecords,
} from "./every-format.ts";
import { inputOf, type Told, tellToEnd } from "./input-of.ts";
import { storeRecords } from "./stored-lines.ts";

/**
 * One law for every format under every name, whole, cut and with one byte changed: the very records, or E_INPUT_UNREADABLE
 * with file and place, or bad and torn lines that are counted. No other exception, no hang, and no good row that was
 * never written; but for what no reader can tell, and that is stated here.
 */

const seed = 20_261_126;

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
beforeAll(() => void process.on("unhandledRejection", onUnhandled));
afterAll(() => {
  process.off("unhandledRejection", onUnhandled);
  expect(unhandled).toEqual([]);
});

const columns = [{ name: "n", type: "double" }] as const;

interface Row {
  readonly offset: number;
  /** what is asked and carried, or null for a bad record */
  readonly asks: object | null;
}

interface Ended {
  readonly told: Told;
  readonly rows: readonly Row[];
  readonly error: unknown;
}

/** As a submit reads it: the format is chosen, then every record is made rows. */
async function ends(bytes: Uint8Array, input: string): Promise<Ended> {
  const source = { ...inputOf(bytes), input, where: `in/${input}` };
  const settings = { roles: ["user"], principles: [], map: {}, columns, carryAll: false };
  async function* reading() {
    const importer = await chooseFormat([source]);
    yield* recordReader(importer, { detected: true, columns, map: {} })(source, source);
  }
  const { told, error } = await tellToEnd(reading());
  const rows = storeRecords(told.records, input, settings).map((line, i) => ({
    offset: told.records[i]?.offset ?? -1,
    asks: asked(line),
  }));
  // one response and one principle each: a record is a row
  expect(rows).toHaveLength(told.records.length);
  return { told, rows, error };
}

function asked(line: RowsLine): object | null {
  if ("bad" in line) return null;
  const { id, messages, response, principles, carried } = line;
  return { id, messages, response, principles: principles.map(({ text }) => text), carried };
}

const expected = writtenRecords.map(({ id, prompt, response, principle, n, note }) => ({
  id,
  messages: [{ role: "user", content: prompt }],
  response,
  principles: [principle],
  carried: { n, note },
}));

const isGood = ({ asks }: Row): boolean => asks !== null;
/** CSV is told by its name alone, and so is what is no CSV. */
const isMisread = ({ kind }: WrittenFormat, name: string): boolean =>
  kind !== "parquet" && (kind === "csv") !== isCsv(name);
const isNoted = ({ parsed }: ReadRecord): boolean => parsed.ok && parsed.note !== undefined;

/** A code with the file, and a place in it unless its first bytes or its header say what it is. */
function expectRefused(error: unknown, name: string): void {
  if (!isAssayError(error, "E_INPUT_UNREADABLE")) throw error;
  expect(error.where?.startsWith(`in/${name}`)).toBe(true);
  const place = error.where?.slice(`in/${name}`.length) ?? "";
  if (!/^this is an? |columns/.test(error.message)) expect(place).toMatch(/\d/);
}

describe("whole, under every name", () => {
  test.each(readFormats.map((format) => [format.name, format] as const))("%s", async (_name, format) => {
    for (const name of fileNames) {
      const { rows, told, error } = await ends(format.bytes, name);
      if (format.refused !== undefined) {
        expectRefused(error, name);
        expect([name, error]).toEqual([name, expect.objectContaining({ got: format.refused })]);
      } else if (!isMisread(format, name)) {
        expect([name, error, told.torn, told.records.some(isNoted)]).toEqual([name, null, 0, false]);
        expect(rows.map(({ asks }) => asks)).toEqual(expected);
      } else if (isCsv(name)) {
        // the quotes of JSON are no quotes of CSV
        expectRefused(error, name);
        expect(rows).toEqual([]);
      } else if (name.endsWith(".parquet") && !format.packed) {
        expectRefused(error, name);
        expect(rows).toEqual([]);
      } else {
        // CSV tells itself by its name alone: each of its lines is a bad record
        expect([name, error, told.torn]).toEqual([name, null, 0]);
        expect(rows.length).toBeGreaterThan(expected.length);
        expect(rows.filter(isGood)).toEqual([]);
      }
    }
  });

  test("Parquet named *.csv has no cells: a text that begins with a bracket is one", async () => {
    const cells = { id: "[1]", prompt: "[1, 2]", response: "[]", principle: "[p]", n: 1, note: "[" };
    const { rows, error } = await ends(parquetOf([cells]), "a.csv");
    expect([error, rows[0]?.asks]).toEqual([
      null,
      {
        id: "[1]",
        messages: [{ role: "user", content: "[1, 2]" }],
        response: "[]",
        principles: ["[p]"],
        carried: { n: 1, note: "[" },
      },
    ]);
  });

  test.each(refusedFormats.map((format) => [format.name, format] as const))("%s is refused", async (_name, format) => {
    for (const name of fileNames) {
      const { rows, error } = await ends(format.bytes, name);
      expectRefused(error, name);
      expect([name, rows, error]).toEqual([name, [], expect.objectContaining({ got: format.refused })]);
    }
  });
});

/** One of each way to read. */
const namesFor = fc.constantFrom("a.jsonl", "a.json", "a.csv", "a.parquet");

describe.each(readFormats.map((format) => [format.name, format] as const))("%s", (_name, format) => {
  const { bytes, kind, packed } = format;
  const isRead = (name: string): boolean => format.refused === undefined && !isMisread(format, name);

  test(`cut anywhere: the rows before the cut, and that it is cut (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: bytes.length - 1 }), namesFor, async (length, name) => {
        const { rows, told, error } = await ends(bytes.subarray(0, length), name);
        const noted = told.records.filter(isNoted).length;
        const good = rows.filter(isGood).map(({ asks }) => asks);
        const sure = noted > 0 ? good.slice(0, -1) : good;
        expect(sure).toEqual(isRead(name) ? expected.slice(0, sure.length) : []);
        if (error !== null) return expectRefused(error, name);
        // what has an end of its own is refused without it, or not known for what it is; a header alone may be all
        if (packed || kind === "array" || kind === "parquet") expect(good).toEqual([]);
        else if (isRead(name) && !/[\n}]$/.test(Buffer.from(bytes).toString("latin1", 0, length)))
          expect(noted + told.torn > 0 || (isCsv(name) && rows.length === 0)).toBe(true);
      }),
      { seed, numRuns: 300 },
    );
  });

  test(`with one byte changed: its own row may be another, all others are there or the fault is told (seed ${seed})`, async () => {
    const isSure = (at: number): boolean => format.name === "Parquet with checksums" && isInPage(bytes, at);
    const whole = (await ends(bytes, kind === "csv" ? "a.csv" : "a.jsonl")).rows;
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), namesFor, async (at, mask, name) => {
        const changed = Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ mask : byte));
        const { rows, told, error } = await ends(changed, name);
        if (error !== null) return expectRefused(error, name);
        const good = rows.filter(isGood);
        const faults = rows.length - good.length + told.torn;
        if (isMisread(format, name)) expect(good).toEqual([]);
        else if (packed) {
          // a byte that says nothing of the text, such as the time in gzip's header; or its sign is gone, and zstd may
          // have kept the text as it is
          for (const { asks } of good) expect(expected).toContainEqual(asks);
          if (good.length < expected.length) expect(faults).toBeGreaterThan(0);
        } else if (kind === "parquet") {
          if (good.length === 0) expect(faults).toBeGreaterThan(0);
          // where no checksum tells, values may be others; no row is lost
          else if (isSure(at)) expect(rows.map(({ asks }) => asks)).toEqual(expected);
          else expect(rows).toHaveLength(expected.length);
        } else expectOthers(whole, good, at, faults);
      }),
      { seed, numRuns: 500 },
    );
  });
});

/** Of text: what a row asks that the changed byte `at` does not stand in. */
function expectOthers(whole: readonly Row[], good: readonly Row[], at: number, faults: number): void {
  const own = whole.findLastIndex(({ offset }) => offset <= at);
  const end = whole[own + 1]?.offset ?? Number.POSITIVE_INFINITY;
  // a name in a header is anybody's: the texts stay
  const sure = (asks: object | null): unknown =>
    own >= 0 || asks === null
      ? asks
      : [(asks as (typeof expected)[0]).messages, (asks as (typeof expected)[0]).response];
  for (const { offset, asks } of good) {
    const written = whole.find((row) => row.offset === offset);
    if (own >= 0 && offset >= (whole[own]?.offset ?? 0) && offset < end) continue;
    expect(sure(asks)).toEqual(sure(written?.asks ?? null));
  }
  const missing = whole.filter(({ offset }, i) => i !== own && !good.some((row) => row.offset === offset));
  if (missing.length > 0) expect(faults).toBeGreaterThan(0);
}
