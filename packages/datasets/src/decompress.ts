import zlib, { createGunzip } from "node:zlib";
import { AssayError } from "@assay/core";

/** The format of a file as its first bytes tell it; "plain" is everything that has no sign of its own. */
export type FileFormat = "gzip" | "zstd" | "parquet" | "zip" | "plain";

/** Bytes that are needed to tell. */
export const signatureBytes = 4;

export function fileFormat(head: Uint8Array): FileFormat {
  const magic = Buffer.from(head.subarray(0, signatureBytes)).toString("latin1");
  if (magic.startsWith("\x1f\x8b")) return "gzip";
  if (magic === "(\xb5/\xfd") return "zstd";
  if (magic === "PAR1") return "parquet";
  return magic === "PK\x03\x04" ? "zip" : "plain";
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
  else if (format === "gzip") yield* inflate(whole, where, "gzip", createGunzip());
  else if (format === "zstd" && createZstdDecompress !== undefined)
    yield* inflate(whole, where, "zstd", createZstdDecompress());
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
  return new AssayError("E_INPUT_UNREADABLE", `this is a ${format} file`, {
    where,
    expected: "JSON Lines, a JSON array, CSV or Parquet; text may be gzip or zstd",
    got: format,
    next: "unpack it",
  });
}

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

async function* inflate(
  source: AsyncIterable<Uint8Array>,
  where: string,
  format: "gzip" | "zstd",
  inflater: Inflater,
): AsyncGenerator<Uint8Array> {
  let given = 0;
  const feeding = (async () => {
    try {
      for await (const bytes of source) {
        given += bytes.length;
        if (!inflater.write(bytes)) await drainedOrClosed(inflater);
        if (inflater.destroyed) return;
      }
      inflater.end();
    } catch (error) {
      inflater.destroy(error as Error);
    }
  })();
  try {
    for await (const bytes of inflater) yield bytes as Uint8Array;
    // zlib takes zeros behind gzip for padding and looks at nothing behind them, be it another member; of zstd it
    // reads one frame, and another one only when a read begins with it
    if (inflater.bytesWritten < given) {
      throw new AssayError("E_INPUT_UNREADABLE", `something else follows the ${format} data`, {
        where: `${where}, behind ${inflater.bytesWritten} compressed bytes`,
        expected: `${format} data to the end of the file`,
        got: format === "gzip" ? "zeros" : "another frame, or other bytes",
        next: format === "gzip" ? "mend or leave out the file" : "unpack it, or pack it as one frame: zstd -d",
      });
    }
  } catch (cause) {
    const code = (cause as { code?: unknown }).code;
    if (typeof code !== "string" || !/^Z(STD)?_/.test(code)) throw cause;
    throw new AssayError("E_INPUT_UNREADABLE", `the ${format} data cannot be read on`, {
      where: `${where}, within the first ${given} compressed bytes`,
      expected: `a whole ${format} file`,
      got: code === "Z_BUF_ERROR" ? "its end is missing" : code,
      cause,
    });
  } finally {
    inflater.destroy();
    await feeding;
  }
}

/** Leaves no listener behind: a large file waits here thousands of times. */
function drainedOrClosed(stream: Inflater): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off("drain", done).off("close", done);
      resolve();
    };
    stream.on("drain", done).on("close", done);
  });
}
