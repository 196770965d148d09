import { AssayError, isAssayError } from "@assay/core";
import { type CsvError, type InfoRecord, parse } from "csv-parse";
import { peek } from "./decompress.ts";
import { maxRecordBytes, type ReadRecord, type RecordBatch } from "./read-jsonl.ts";

/**
 * CSV with a header line (RFC 4180: commas, double quotes, CRLF or LF), each row as an object of its cells: text as
 * given, null where nothing stands between the commas, "" where an empty pair of quotes does. Lines are physical: a row
 * stands where it begins, however many lines its cells have. A row with too few or too many cells, or with bytes that
 * are no UTF-8, is a bad record; a last one without newline and with too few cells is still being written. Takes bytes
 * that are plain already. Memory: one read and one row. Throws E_INPUT_UNREADABLE where quotes are broken, since
 * nothing behind them can be trusted, and for a header with a name twice or empty.
 */
export async function* readCsv(
  source: AsyncIterable<Uint8Array>,
  options: { readonly where: string },
): AsyncGenerator<RecordBatch> {
  const rows = createRows(options.where);
  const { head, whole } = await peek(source, (seen) => seen.length >= 3);
  let skip = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0;
  for await (const read of whole) {
    const bytes = read.subarray(skip);
    skip = 0;
    if (bytes.length > 0) yield { records: await rows.push(bytes), bytes: read.length, blank: rows.blank(), torn: 0 };
  }
  const { records, torn } = await rows.end();
  yield { records, bytes: 0, blank: rows.blank(), torn };
}

type Cells = (string | null | typeof notUtf8)[];
const notUtf8 = Symbol("no UTF-8");

function createRows(where: string) {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let records: ReadRecord[] = [];
  let header: readonly string[] | null = null;
  let last = { lines: 0, bytes: 0, empty: 0 };
  let blank = 0;
  let endsInNewline = true;
  let lastIsShort = false;

  const parser = parse({
    // bytes as letters: the parser would replace what is no UTF-8 without a word
    encoding: "latin1",
    record_delimiter: ["\r\n", "\n"],
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: maxRecordBytes,
    cast: (letters, { quoting }) => (letters === "" && !quoting ? null : decode(letters)),
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
    const empty = info.empty_lines - last.empty;
    const place = { line: last.lines + empty + 1, offset: last.bytes };
    last = { lines: info.lines, bytes: info.bytes, empty: info.empty_lines };
    blank += empty;
    if (header === null) {
      header = readHeader(cells, where);
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
    if (failed !== null) throw isAssayError(failed) ? failed : unreadable(failed as LocatedError, where);
    const taken = records;
    records = [];
    return taken;
  }

  return {
    async push(bytes: Uint8Array): Promise<ReadRecord[]> {
      endsInNewline = bytes.at(-1) === 0x0a;
      return settled((done) => parser.write(bytes, () => done()));
    },
    async end(): Promise<{ records: ReadRecord[]; torn: number }> {
      const rest = await settled(() => parser.resume().end());
      const torn = !endsInNewline && lastIsShort && rest.length > 0;
      return { records: torn ? rest.slice(0, -1) : rest, torn: torn ? 1 : 0 };
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
  const names = cells.map((cell) => (typeof cell === "string" ? cell.trim() : ""));
  const wrong = names.find((name, i) => name === "" || names.indexOf(name) !== i);
  if (wrong === undefined) return names;
  throw new AssayError("E_INPUT_UNREADABLE", "the CSV header cannot name the columns", {
    where: `${where}:1`,
    expected: "one name a column, each once",
    got: wrong === "" ? "a column without a name" : `${JSON.stringify(wrong.slice(0, 40))} twice`,
  });
}

type LocatedError = CsvError & { readonly lines?: number };

/** The parser's own words quote the row: only its code is told. */
function unreadable({ code, lines }: LocatedError, where: string): AssayError {
  return new AssayError("E_INPUT_UNREADABLE", "the CSV cannot be read on", {
    where: lines === undefined ? where : `${where}:${lines}`,
    expected: "cells with quotes, commas or newlines in double quotes, and quotes in them doubled",
    got: code === "CSV_QUOTE_NOT_CLOSED" ? "a quote that is not closed, or a file that is still being written" : code,
  });
}
