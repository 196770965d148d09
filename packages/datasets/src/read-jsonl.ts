import { createGunzip, type Gunzip } from "node:zlib";
import { AssayError, type BadCode } from "@assay/core";

/** The records of one stretch of input, and what else stood in it. */
export interface RecordBatch {
  readonly records: readonly ReadRecord[];
  /** decompressed bytes of this stretch */
  readonly bytes: number;
  /** blank lines, skipped */
  readonly blank: number;
  /** 1 when the last line has no newline and does not parse: still being written, left out */
  readonly torn: number;
}

export interface ReadRecord {
  /** physical line, from 1 */
  readonly line: number;
  /** byte offset of the line's first byte in the decompressed input */
  readonly offset: number;
  readonly parsed: { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly bad: BadCode };
}

export type ReadRecords = typeof readJsonl;

/** Longest line held in memory: 32 MiB of one record is a dump in the wrong file, not a conversation. */
const defaultMaxLineBytes = 32 * 1024 * 1024;

/**
 * JSON Lines, plain or gzip (told by the first bytes, whatever the name), record by record in order. Splits on \n
 * only; CR and BOM are cut; blank lines are counted and skipped with the physical numbers kept. Lines that are too
 * long, no UTF-8 or no JSON come as bad records. Memory: one read of the source and one line. Throws
 * E_INPUT_UNREADABLE, with the offset, when the bytes cannot be read on (cut or corrupt gzip, another format).
 */
export async function* readJsonl(
  source: AsyncIterable<Uint8Array>,
  options: { where: string; maxLineBytes?: number },
): AsyncGenerator<RecordBatch> {
  const splitter = createSplitter(options.maxLineBytes ?? defaultMaxLineBytes);
  for await (const bytes of decompress(source, options.where)) yield splitter.push(bytes);
  yield splitter.end();
}

async function* decompress(source: AsyncIterable<Uint8Array>, where: string): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array();
  // a source may hand over single bytes: four are needed to know the format
  while (head.length < 4) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  const refused = otherFormat(head, where);
  if (refused !== null) {
    // a file that is not read on must not stay open
    await iterator.return?.();
    throw refused;
  }
  const rest = withHead(head, iterator);
  if (head[0] === 0x1f && head[1] === 0x8b) yield* gunzip(rest, where);
  else yield* rest;
}

async function* withHead(head: Uint8Array, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    if (head.length > 0) yield head;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  } finally {
    await iterator.return?.();
  }
}

function otherFormat(head: Uint8Array, where: string): AssayError | null {
  const magic = Buffer.from(head.subarray(0, 4)).toString("latin1");
  const found =
    magic === "PAR1" ? "Parquet" : magic === "(\xb5/\xfd" ? "zstd" : magic.startsWith("PK\x03\x04") ? "zip" : null;
  if (found === null) return null;
  return new AssayError("E_INPUT_UNREADABLE", `this is a ${found} file; Assay reads JSON Lines, plain or gzip`, {
    where,
    expected: "*.jsonl or *.jsonl.gz",
    got: found,
    next: "convert it, for example with DuckDB: COPY (FROM 'file') TO 'file.jsonl' (FORMAT json)",
  });
}

async function* gunzip(source: AsyncIterable<Uint8Array>, where: string): AsyncGenerator<Uint8Array> {
  const unzip = createGunzip();
  let given = 0;
  const feeding = (async () => {
    try {
      for await (const bytes of source) {
        given += bytes.length;
        if (!unzip.write(bytes)) await drainedOrClosed(unzip);
        if (unzip.destroyed) return;
      }
      unzip.end();
    } catch (error) {
      unzip.destroy(error as Error);
    }
  })();
  try {
    for await (const bytes of unzip) yield bytes as Uint8Array;
    // zlib takes zeros for padding and looks at nothing behind them, be it another member
    if (unzip.bytesWritten < given) {
      throw new AssayError("E_INPUT_UNREADABLE", "something else follows the gzip data", {
        where: `${where}, behind ${unzip.bytesWritten} compressed bytes`,
        expected: "gzip members to the end of the file",
        got: "zeros",
      });
    }
  } catch (cause) {
    const code = (cause as { code?: unknown }).code;
    if (typeof code !== "string" || !code.startsWith("Z_")) throw cause;
    throw new AssayError("E_INPUT_UNREADABLE", "the gzip data cannot be read on", {
      where: `${where}, within the first ${given} compressed bytes`,
      expected: "a whole gzip file",
      got: code === "Z_BUF_ERROR" ? "its end is missing" : code,
      cause,
    });
  } finally {
    unzip.destroy();
    await feeding;
  }
}

/** Leaves no listener behind: a large file waits here thousands of times. */
function drainedOrClosed(stream: Gunzip): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off("drain", done).off("close", done);
      resolve();
    };
    stream.on("drain", done).on("close", done);
  });
}

/** Cuts bytes into lines across the borders of reads. */
function createSplitter(maxLineBytes: number) {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
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
    try {
      return { ok: true, value: JSON.parse(text) as unknown };
    } catch {
      return { ok: false, bad: "invalid_json" };
    }
  }

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
        const parsed = takeLine(bytes.subarray(from, to));
        if (parsed === "blank") blank += 1;
        else records.push({ line, offset, parsed });
        offset += lineBytes + (to - from) + 1;
        lineBytes = 0;
        line += 1;
        from = to + 1;
      }
      const rest = bytes.subarray(from);
      lineBytes += rest.length;
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
      const parsed = takeLine(new Uint8Array());
      if (parsed === "blank") return { records: [], bytes: 0, blank: 1, torn: 0 };
      // a file that is being written ends in half a line, perhaps in half a character
      const torn = !parsed.ok && (parsed.bad === "invalid_json" || parsed.bad === "invalid_utf8");
      return { records: torn ? [] : [{ line, offset, parsed }], bytes: 0, blank: 0, torn: torn ? 1 : 0 };
    },
  };
}
