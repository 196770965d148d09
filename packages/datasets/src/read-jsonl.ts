import type { BadValue, ResponseFields } from "@assay/core";
import { createFieldCutter } from "./cut-fields.ts";
import { decompress } from "./decompress.ts";
import { firstLetter } from "./first-letter.ts";
import { parseJson } from "./parse-json.ts";

/** The records of one stretch of input, and what else stood in it. */
export interface RecordBatch {
  readonly records: readonly ReadRecord[];
  /** decompressed bytes of this stretch */
  readonly bytes: number;
  /** blank lines, skipped */
  readonly blank: number;
  /** 1 when the last line has no newline and is the beginning of a record: still being written, left out */
  readonly torn: number;
  /** the fields are the cells of a CSV: all of them text or null */
  readonly cells?: true;
}

/** A record as it stands in the input, or why it cannot be read. */
export interface ReadRecord {
  /** physical line, from 1; of Parquet the row */
  readonly line: number;
  /** byte offset of its first byte in the decompressed input; of Parquet the row, from 0 */
  readonly offset: number;
  readonly parsed:
    | {
        readonly ok: true;
        readonly value: unknown;
        /** of an importer: columns that differ between the responses */
        readonly perResponse?: readonly ResponseFields[];
        /** how the record had to be read, where that is worth a word */
        readonly note?: string;
      }
    | BadValue;
}

/** Longest record held in memory: 32 MiB of one is a dump in the wrong file, not a conversation. */
export const maxRecordBytes: number = 32 * 1024 * 1024;

export interface JsonlOptions {
  readonly where: string;
  readonly maxLineBytes?: number;
  /** top-level fields that come as null, whatever they hold: they are cut out of the bytes, and no line holds them */
  readonly cut?: readonly string[];
}

/**
 * JSON Lines, plain, gzip or zstd, record by record in order. Splits on \n
 * only; CR and BOM are cut; blank lines are counted and skipped with the physical numbers kept. Lines that are too
 * long, no UTF-8 or no JSON come as bad records; the beginning of an object at the end is still being written. Memory: one read of the source and one line. Throws
 * E_INPUT_UNREADABLE, with the place, when the bytes cannot be read on (cut or corrupt gzip, another format).
 */
export async function* readJsonl(
  source: AsyncIterable<Uint8Array>,
  options: JsonlOptions,
): AsyncGenerator<RecordBatch> {
  yield* readLines(decompress(source, options.where), options);
}

/** The same of bytes that are plain already. */
export async function* readLines(
  source: AsyncIterable<Uint8Array>,
  options: Omit<JsonlOptions, "where">,
): AsyncGenerator<RecordBatch> {
  const splitter = createSplitter(options.maxLineBytes ?? maxRecordBytes, options.cut ?? []);
  for await (const bytes of source) yield splitter.push(bytes);
  yield splitter.end();
}

/** Cuts bytes into lines across the borders of reads. */
function createSplitter(maxLineBytes: number, cut: readonly string[]) {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const cutter = cut.length === 0 ? null : createFieldCutter(cut);
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let tooLong = false;
  let line = 1;
  let offset = 0;

  function parse(bytes: Uint8Array): ReadRecord["parsed"] | "blank" {
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch {
      return { ok: false, bad: "invalid_utf8" };
    }
    if (line === 1 && text.startsWith("\ufeff")) text = text.slice(1);
    if (text.trim() === "") return "blank";
    return parseJson(text);
  }

  const kept = (bytes: Uint8Array): Uint8Array => (cutter === null ? bytes : cutter.push(bytes));

  function takeLine(tail: Uint8Array): ReadRecord["parsed"] | "blank" {
    const whole = heldBytes === 0 ? tail : Buffer.concat([...held, tail]);
    const parsed =
      tooLong || whole.length > maxLineBytes ? ({ ok: false, bad: "line_too_long" } as const) : parse(whole);
    held = [];
    heldBytes = 0;
    tooLong = false;
    return parsed;
  }

  let lineBytes = 0;
  return {
    push(bytes: Uint8Array): RecordBatch {
      const records: ReadRecord[] = [];
      let blank = 0;
      let from = 0;
      for (let to = bytes.indexOf(0x0a); to >= 0; to = bytes.indexOf(0x0a, from)) {
        // without a look: a gigabyte of them is soon through
        const parsed = to === from && lineBytes === 0 ? "blank" : takeLine(kept(bytes.subarray(from, to)));
        cutter?.nextLine();
        if (parsed === "blank") blank += 1;
        else records.push({ line, offset, parsed });
        offset += lineBytes + (to - from) + 1;
        lineBytes = 0;
        line += 1;
        from = to + 1;
      }
      lineBytes += bytes.length - from;
      const rest = kept(bytes.subarray(from));
      if (heldBytes + rest.length > maxLineBytes) {
        tooLong = true;
        held = [];
        heldBytes = 0;
      } else if (!tooLong && rest.length > 0) {
        // copied: the source may reuse its buffer
        held.push(Uint8Array.prototype.slice.call(rest));
        heldBytes += rest.length;
      }
      return { records, bytes: bytes.length, blank, torn: 0 };
    },
    end(): RecordBatch {
      if (lineBytes === 0) return { records: [], bytes: 0, blank: 0, torn: 0 };
      const begun = firstLetter(Buffer.concat(held)) === 0x7b;
      const parsed = takeLine(new Uint8Array());
      if (parsed === "blank") return { records: [], bytes: 0, blank: 1, torn: 0 };
      // a file that is being written ends in half a line, perhaps in half a character; what begins no record is no such
      const torn = begun && !parsed.ok && (parsed.bad === "invalid_json" || parsed.bad === "invalid_utf8");
      return { records: torn ? [] : [{ line, offset, parsed }], bytes: 0, blank: 0, torn: torn ? 1 : 0 };
    },
  };
}
