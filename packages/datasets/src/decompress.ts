import zlib, { createGunzip } from "node:zlib";
import { AssayError } from "@assay/core";
import { createZstdFrames } from "./zstd-frames.ts";

/** The format of a file as its first bytes tell it; "plain" is everything that has no sign of its own. */
export type FileFormat = "gzip" | "zstd" | "parquet" | "Arrow" | "zip" | "xz" | "bzip2" | "UTF-16" | "plain";

/** Bytes that are needed to tell. */
export const signatureBytes = 8;

export function fileFormat(head: Uint8Array): FileFormat {
  const magic = Buffer.from(head.subarray(0, signatureBytes)).toString("latin1");
  if (magic.startsWith("\x1f\x8b")) return "gzip";
  // pzstd begins its files with a frame to be skipped
  if (magic.startsWith("(\xb5/\xfd") || /^[P-_]\*M\x18/.test(magic)) return "zstd";
  if (magic.startsWith("PAR1")) return "parquet";
  // a file, and the stream that Hugging Face's datasets keep on disk
  if (magic === "ARROW1\0\0" || magic.startsWith("\xff\xff\xff\xff")) return "Arrow";
  if (magic.startsWith("\xfd7zX")) return "xz";
  if (/^BZh[1-9]1AY/.test(magic)) return "bzip2";
  // tables that a spreadsheet saved as "Unicode text"
  if (/^(?:\xff\xfe|\xfe\xff)/.test(magic)) return "UTF-16";
  return magic.startsWith("PK\x03\x04") ? "zip" : "plain";
}

/** Absent before Node 22.15; the types are those of the oldest Node we run on. */
const { createZstdDecompress } = zlib as { readonly createZstdDecompress?: typeof createGunzip };

/**
 * Plain, gzip and zstd bytes as plain ones, told by the first bytes, whatever the name. Memory: one read. Throws
 * E_INPUT_UNREADABLE, with the place, when they cannot be read on (cut or corrupt), and for formats that are no stream
 * of text; zstd needs Node 22.15.
 */
export async function* decompress(source: AsyncIterable<Uint8Array>, where: string): AsyncGenerator<Uint8Array> {
  // a source may hand over single bytes
  const { head, whole, close } = await peek(source, (seen) => seen.length >= signatureBytes);
  const format = fileFormat(head);
  if (format === "plain") yield* whole;
  else if (format === "gzip") yield* gunzip(whole, where);
  else if (format === "zstd" && createZstdDecompress !== undefined) yield* unzstd(whole, where, createZstdDecompress);
  else {
    // a file that is not read on must not stay open
    await close();
    throw format === "zstd" ? needsNewerNode(where) : otherFormat(format, where);
  }
}

/** Reads until `enough`, or to the end; `whole` is the source with what was seen in front. */
export async function peek(
  source: AsyncIterable<Uint8Array>,
  enough: (seen: Uint8Array) => boolean,
): Promise<{ head: Uint8Array; whole: AsyncGenerator<Uint8Array>; close(): Promise<void> }> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array();
  while (!enough(head)) {
    const next = await iterator.next();
    if (next.done === true) break;
    // copied: the source may reuse its buffer
    head = Buffer.concat([head, next.value]);
  }
  const close = async (): Promise<void> => void (await iterator.return?.());
  return { head, whole: withHead(head, iterator), close };
}

async function* withHead(head: Uint8Array, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    if (head.length > 0) yield head;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  } finally {
    await iterator.return?.();
  }
}

export function otherFormat(format: FileFormat, where: string): AssayError {
  return new AssayError("E_INPUT_UNREADABLE", `this is ${/^[Ax]/.test(format) ? "an" : "a"} ${format} file`, {
    where,
    expected: "JSON Lines, a JSON array, CSV or Parquet; text may be gzip or zstd",
    got: format,
    next: nextSteps[format] ?? "unpack it",
  });
}

const nextSteps: { readonly [format in FileFormat]?: string } = {
  "UTF-16": "iconv -f UTF-16 -t UTF-8 FILE > NEW",
  Arrow: "write it as Parquet, in Python: datasets.Dataset.from_file('FILE').to_parquet('NEW.parquet')",
};

function needsNewerNode(where: string): AssayError {
  return new AssayError("E_INPUT_UNREADABLE", "this is a zstd file, and this Node cannot read those", {
    where,
    expected: "Node 22.15 or newer",
    got: `Node ${process.versions.node}`,
    next: "run Assay on a newer Node, or unpack the file: zstd -d",
  });
}

/** A decompressor of node:zlib: a duplex stream that counts what it took. */
type Inflater = ReturnType<typeof createGunzip>;

/** zlib goes on with another member by itself, but takes zeros for padding and looks at nothing behind them. */
async function* gunzip(source: AsyncIterable<Uint8Array>, where: string): AsyncGenerator<Uint8Array> {
  const { taken, rest } = yield* inflate(source, where, "gzip", createGunzip());
  if (rest > 0) throw somethingBehind("gzip", where, taken, "zeros");
}

/**
 * Frame behind frame: several threads, and files that were put together, make files of many. Node's decompressor reads
 * one, and a next one only where a write begins with it; so each frame that ends within a read gets one of its own.
 */
async function* unzstd(
  source: AsyncIterable<Uint8Array>,
  where: string,
  create: () => Inflater,
): AsyncGenerator<Uint8Array> {
  const reads = source[Symbol.asyncIterator]();
  const frames = createZstdFrames();
  let last: Uint8Array = new Uint8Array();
  let taken = 0;
  let rest = 0;
  // without a `return`: the source stays open from frame to frame
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    if (rest > 0) last = last.subarray(last.length - rest);
    else {
      const read = await reads.next();
      if (read.done === true) return read;
      last = read.value;
      frames.push(last);
    }
    rest = 0;
    return { done: false, value: last };
  };
  const onward = { [Symbol.asyncIterator]: () => ({ next }) };
  try {
    do {
      const begun = rest;
      const frame = yield* inflate(onward, where, "zstd", create());
      taken += frame.taken;
      rest = frame.rest;
      if (rest > 0 && rest === begun) throw somethingBehind("zstd", where, taken, "other bytes");
    } while (rest > 0);
    if (!frames.isWhole()) throw cannotBeReadOn("zstd", where, taken, endIsMissing);
  } finally {
    await reads.return?.();
  }
}

/** Returns how many bytes the decompressor took, and how many at the end of the last read it did not. */
async function* inflate(
  source: AsyncIterable<Uint8Array>,
  where: string,
  format: "gzip" | "zstd",
  inflater: Inflater,
): AsyncGenerator<Uint8Array, { taken: number; rest: number }> {
  let given = 0;
  const feeding = (async () => {
    try {
      for await (const bytes of source) {
        given += bytes.length;
        await written(inflater, bytes);
        if (inflater.destroyed) return;
        if (format === "zstd" && inflater.bytesWritten < given) break;
      }
      inflater.end();
    } catch (error) {
      inflater.destroy(error as Error);
    }
  })();
  try {
    for await (const bytes of inflater) yield bytes as Uint8Array;
    return { taken: inflater.bytesWritten, rest: given - inflater.bytesWritten };
  } catch (cause) {
    const code = (cause as { code?: unknown }).code;
    if (typeof code !== "string" || !/^Z(STD)?_/.test(code)) throw cause;
    throw cannotBeReadOn(format, where, given, code === "Z_BUF_ERROR" ? endIsMissing : code, cause);
  } finally {
    inflater.destroy();
    await feeding;
  }
}

const endIsMissing = "its end is missing";

function cannotBeReadOn(format: FileFormat, where: string, given: number, got: string, cause?: unknown): AssayError {
  return new AssayError("E_INPUT_UNREADABLE", `the ${format} data cannot be read on`, {
    where: `${where}, within the first ${given} compressed bytes`,
    expected: `a whole ${format} file`,
    got,
    cause,
  });
}

function somethingBehind(format: FileFormat, where: string, taken: number, got: string): AssayError {
  return new AssayError("E_INPUT_UNREADABLE", `something else follows the ${format} data`, {
    where: `${where}, behind ${taken} compressed bytes`,
    expected: `${format} data to the end of the file`,
    got,
    next: "mend or leave out the file",
  });
}

/** When the decompressor is done with the bytes, or closed. Leaves no listener behind: a file has thousands of reads. */
function written(inflater: Inflater, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      inflater.off("close", done);
      resolve();
    };
    inflater.on("close", done);
    inflater.write(bytes, done);
  });
}
