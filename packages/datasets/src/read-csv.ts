import { AssayError, isAssayError } from "@assay/core";
import { type CsvError, type InfoRecord, parse } from "csv-parse";
import { peek } from "./decompress.ts";
import { maxRecordBytes, type ReadRecord, type RecordBatch } from "./read-jsonl.ts";

/**
 * CSV with a header line (RFC 4180: commas, double quotes, CRLF or LF), each row as an object of its cells: text as
 * given, null where nothing stands between the commas, "" where an empty pair of quotes does. Lines are physical: a row
 * stands where it begins, however many lines its cells have. A row with too few or too many cells, or with bytes that
 * are no UTF-8, is a bad record. A last one without newline is still being written where it has too few cells; with all
 * of them it bears a note, since nothing tells whether it is cut. Takes bytes that are plain already. Memory: one read
 * and one row. Throws E_INPUT_UNREADABLE, at the row's first line, where quotes are broken or a row is larger than any
 * could be, since nothing behind that can be trusted; and for a header whose names are not one a column, each once, in
 * one line of UTF-8.
 */
export async function* readCsv(
  source: AsyncIterable<Uint8Array>,
  options: { readonly where: string; readonly maxRowBytes?: number },
): AsyncGenerator<RecordBatch> {
  const { head, whole } = await peek(source, (seen) => seen.length >= 3);
  let skip = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0;
  const rows = createRows(options.where, skip, options.maxRowBytes ?? maxRecordBytes);
  for await (const read of whole) {
    const bytes = read.subarray(skip);
    skip = 0;
    const records = bytes.length === 0 ? [] : await rows.push(bytes);
    yield { records, bytes: read.length, blank: rows.blank(), torn: 0, cells: true };
  }
  const { records, torn } = await rows.end();
  yield { records, bytes: 0, blank: rows.blank(), torn, cells: true };
}

const mayBeCut = "last row of a CSV without a newline behind it, taken as whole";

type Cells = (string | null | typeof notUtf8)[];
const notUtf8 = Symbol("no UTF-8");

/** Cells of a row: commas cost the parser far more memory than the file. */
const maxCells = 100_000;

/** Takes the bytes from byte `begin` of the input on, the first one of the header. */
function createRows(where: string, begin: number, maxRowBytes: number) {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let records: ReadRecord[] = [];
  let header: readonly string[] | null = null;
  /** where the next row stands */
  let next = { line: 1, offset: begin };
  let pushed = begin;
  let blank = 0;
  let endsInNewline = true;
  let lastIsShort = false;

  const parser = parse({
    // bytes as letters: the parser would replace what is no UTF-8 without a word
    encoding: "latin1",
    record_delimiter: ["\r\n", "\n"],
    relax_column_count: true,
    cast: (letters, { quoting, index }) => {
      if (index >= maxCells) throw tooManyCells(`${where}:${next.line}`);
      return letters === "" && !quoting ? null : decode(letters);
    },
    // collected here, in order, instead of being read from the stream one by one
    on_record: (cells: Cells, info: InfoRecord) => {
      take(cells, info);
      return null;
    },
  });
  let failed: unknown = null;
  parser.on("error", (error) => {
    failed = error;
  });

  function decode(letters: string): string | typeof notUtf8 {
    if (!/[\x80-\xff]/.test(letters)) return letters;
    try {
      return decoder.decode(Buffer.from(letters, "latin1"));
    } catch {
      return notUtf8;
    }
  }

  function take(cells: Cells, info: InfoRecord): void {
    const place = next;
    next = { line: info.lines + 1, offset: begin + info.bytes };
    if (cells.length === 1 && cells[0] === null) {
      blank += 1;
      return;
    }
    if (header === null) {
      header = readHeader(cells, `${where}:${place.line}`);
      return;
    }
    lastIsShort = cells.length < header.length;
    if (cells.length !== header.length) records.push({ ...place, parsed: { ok: false, bad: "invalid_csv" } });
    else if (cells.includes(notUtf8)) records.push({ ...place, parsed: { ok: false, bad: "invalid_utf8" } });
    else {
      const value = Object.fromEntries(header.map((name, i) => [name, cells[i]]));
      records.push({ ...place, parsed: { ok: true, value } });
    }
  }

  async function settled(work: (done: () => void) => void): Promise<ReadRecord[]> {
    await new Promise<void>((resolve) => {
      parser.once("close", resolve);
      work(() => {
        parser.off("close", resolve);
        resolve();
      });
    });
    if (failed !== null)
      throw isAssayError(failed) ? failed : unreadable((failed as CsvError).code, `${where}:${next.line}`);
    const taken = records;
    records = [];
    return taken;
  }

  return {
    async push(bytes: Uint8Array): Promise<ReadRecord[]> {
      endsInNewline = bytes.at(-1) === 0x0a;
      pushed += bytes.length;
      const taken = await settled((done) => parser.write(bytes, () => done()));
      if (pushed - next.offset > maxRowBytes + bytes.length) throw unreadable(tooLarge, `${where}:${next.line}`);
      return taken;
    },
    async end(): Promise<{ records: ReadRecord[]; torn: number }> {
      const rest = await settled(() => parser.resume().end());
      const last = rest.at(-1);
      if (endsInNewline || last === undefined) return { records: rest, torn: 0 };
      const before = rest.slice(0, -1);
      if (lastIsShort) return { records: before, torn: 1 };
      const parsed = last.parsed.ok ? { ...last.parsed, note: mayBeCut } : last.parsed;
      return { records: [...before, { ...last, parsed }], torn: 0 };
    },
    /** blank lines since it was asked last */
    blank(): number {
      const counted = blank;
      blank = 0;
      return counted;
    },
  };
}

function readHeader(cells: Cells, where: string): readonly string[] {
  const names = cells.map((cell) => (typeof cell === "string" ? cell.trim() : cell));
  const wrong = names.find(
    (name, i) => !isText(name) || name === "" || /[\r\n]/.test(name) || names.indexOf(name) !== i,
  );
  if (wrong === undefined) return names.filter(isText);
  throw new AssayError("E_INPUT_UNREADABLE", "the CSV header cannot name the columns", {
    where,
    expected: "one name a column, each once, in one line of UTF-8",
    got: wrongName(wrong),
  });
}

function isText(cell: Cells[number]): cell is string {
  return typeof cell === "string";
}

function wrongName(name: Cells[number]): string {
  if (name === notUtf8) return "bytes that are no UTF-8";
  if (!isText(name) || name === "") return "a column without a name";
  // with the line ends of an old Mac the whole file is its header
  if (/[\r\n]/.test(name)) return "a name of several lines";
  return `${JSON.stringify(name.slice(0, 40))} twice`;
}

function tooManyCells(where: string): AssayError {
  return new AssayError("E_INPUT_UNREADABLE", "a row of the CSV has too many cells to be one", {
    where,
    expected: `at most ${maxCells.toLocaleString("en-US")} cells`,
    got: "more",
  });
}

/** Not the parser's own limit, which counts no quotes. */
const tooLarge = "CSV_TOO_LARGE";

/** What the parser's codes mean: its own words quote the row. */
const broken: ReadonlyMap<string, string> = new Map([
  ["CSV_QUOTE_NOT_CLOSED", "a quote that is not closed, or a file that is still being written"],
  [tooLarge, "a row of more than 32 MiB, or a quote that is not closed"],
  ["CSV_INVALID_CLOSING_QUOTE", "something between a closing quote and the next comma"],
  ["INVALID_OPENING_QUOTE", "a quote within a cell that has none around it"],
]);

function unreadable(code: string, where: string): AssayError {
  return new AssayError("E_INPUT_UNREADABLE", "the CSV cannot be read on", {
    where,
    expected: "cells with quotes, commas or newlines in double quotes, and quotes in them doubled",
    got: broken.get(code) ?? code,
  });
}
