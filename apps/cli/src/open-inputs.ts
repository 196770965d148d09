import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, relative, resolve, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { AssayError, inputStem, isAssayError, type RangeReader, visibleText } from "@assay/core";
import { type ChosenInput, chooseInputs, globBase, inputKinds, isGlob, matchesGlob, pickInputs } from "@assay/datasets";
import type { InputSource } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { fileRanges } from "@assay/store/local";
import { openUri } from "./open-store.ts";

export interface OpenedInputs {
  readonly sources: InputSource[];
  /** for the readable part of the batch's name: the only input's stem, or the common folder's name */
  readonly readable: string;
  /** removes what was spooled */
  close(): Promise<void>;
}

/**
 * Turns INPUT arguments into sources that can be read twice: files, folders (`pickInputs` of what lies below),
 * globs, s3:// objects, prefixes and globs, or - for stdin. What can be read only once (stdin, pipes) is spooled into a
 * temporary file. Hidden files of folders and globs are left out: `._x.jsonl` of a Mac is no data. Throws
 * E_INPUT_MISSING, E_DENIED, E_USAGE; E_ABORTED when the signal fires while something is spooled.
 */
export async function openInputs(
  inputs: readonly string[],
  options: { signal?: AbortSignal; stdin?: NodeJS.ReadableStream } = {},
): Promise<OpenedInputs> {
  const local: string[] = [];
  const remote: string[] = [];
  const once: (string | null)[] = [];
  const bucketOf = openBuckets();
  for (const input of inputs) {
    if (input === "-") once.push(null);
    else if (isRemote(input)) remote.push(...(await listRemote(input, bucketOf)));
    else for (const path of await findLocal(input)) (path.regular ? local : once).push(path.name);
  }
  if (local.length > 0 && remote.length > 0)
    throw new AssayError("E_USAGE", "inputs lie either in S3 or on this machine, not in both", {
      got: inputs.join(" "),
      next: "score them as two batches",
    });
  const named = [...local.map((path) => path.split(sep).join("/")), ...remote];
  const chosen = named.length === 0 && once.length > 0 ? [] : chooseInputs(named);
  const sources = chosen.map(({ path, input }) =>
    isRemote(path) ? remoteSource(path, input, bucketOf) : localSource(path, input),
  );
  const spool = once.length === 0 ? null : await mkdtemp(join(tmpdir(), "assay-input-"));
  const close = async (): Promise<void> => {
    if (spool !== null) await rm(spool, { recursive: true, force: true });
  };
  try {
    for (const [i, path] of once.entries()) {
      const file = join(spool ?? "", String(i));
      const stream = path === null ? (options.stdin ?? process.stdin) : createReadStream(path);
      await spoolTo(file, stream, path ?? "stdin", options.signal);
      sources.push(source(i === 0 ? "stdin" : `stdin-${i + 1}`, path ?? "stdin", file));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { sources, readable: readableName(chosen), close };
}

/** The only input's stem; of several the folder they have in common; of stdin its name. */
function readableName(chosen: readonly ChosenInput[]): string {
  const first = chosen[0];
  if (first === undefined) return "stdin";
  if (chosen.length === 1) return inputStem(first.input);
  return basename(first.path.slice(0, first.path.length - first.input.length)) || "batch";
}

function isRemote(input: string): boolean {
  return /^s3:\/\//i.test(input);
}

/** Absolute paths that an argument means. A name that exists is that file, whatever characters it has. */
async function findLocal(input: string): Promise<{ name: string; regular: boolean }[]> {
  const path = resolve(input);
  const found = await stat(path).catch(missingIsNull(input));
  if (found?.isDirectory() === true) {
    const files = await filesBelow(path, input);
    return orMissing(pickInputs(files), input, `in this folder ${inputKinds}`);
  }
  if (found !== null) return [{ name: path, regular: found.isFile() }];
  if (isGlob(input)) {
    const pattern = path.split(sep).join("/");
    const files = await filesBelow(globBase(pattern) || "/", input);
    const matching = files.filter((file) => matchesGlob(file.split(sep).join("/"), pattern));
    return orMissing(matching, input, "files that match this pattern");
  }
  throw new AssayError("E_INPUT_MISSING", "this input does not exist", { where: input });
}

function orMissing(files: string[], input: string, expected: string): { name: string; regular: boolean }[] {
  if (files.length === 0)
    throw new AssayError("E_INPUT_MISSING", "no input file was found", { where: input, expected });
  return files.map((name) => ({ name, regular: true }));
}

/** All files below a folder. Links to files are followed (caches of data sets are made of them), links to folders not. */
async function filesBelow(folder: string, input: string): Promise<string[]> {
  const entries = (await readdir(folder, { withFileTypes: true }).catch(missingIsNull(input))) ?? [];
  const found: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith(".")) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...(await filesBelow(path, input)));
    else if (entry.isFile()) found.push(path);
    else if (entry.isSymbolicLink() && (await stat(path).catch(missingIsNull(path)))?.isFile() === true)
      found.push(path);
  }
  return found;
}

type BucketOf = (bucket: string) => Promise<ObjectStore>;

/** One client a bucket, however many objects are read from it. */
function openBuckets(): BucketOf {
  const opened = new Map<string, Promise<ObjectStore>>();
  return (bucket) => {
    const store = opened.get(bucket) ?? openUri(`s3://${bucket}`);
    opened.set(bucket, store);
    return store;
  };
}

async function listRemote(input: string, bucketOf: BucketOf): Promise<string[]> {
  const [, bucket = "", key = ""] = /^s3:\/\/([^/]+)\/?(.*)$/i.exec(input) ?? [];
  const store = await bucketOf(bucket);
  const address = (found: string): string => `s3://${bucket}/${found}`;
  if (!isGlob(key) && key !== "" && !key.endsWith("/") && (await store.head(key)) !== null) return [address(key)];
  const base = isGlob(key) ? globBase(key) : key.replace(/\/+$/, "");
  const below: string[] = [];
  for await (const { key: name } of store.list(base === "" ? "" : `${base}/`)) below.push(name);
  const found = (isGlob(key) ? below.filter((name) => matchesGlob(name, key)) : pickInputs(below)).map(address);
  if (found.length === 0) {
    throw new AssayError("E_INPUT_MISSING", "no input object was found", {
      where: input,
      expected: `an object, a prefix with one of these below it: ${inputKinds}; or a pattern that matches`,
    });
  }
  return found;
}

function remoteSource(address: string, input: string, bucketOf: BucketOf): InputSource {
  const [, bucket = "", key = ""] = /^s3:\/\/([^/]+)\/(.*)$/i.exec(address) ?? [];
  return {
    input,
    where: address,
    async open() {
      const stream = await (await bucketOf(bucket)).read(key);
      if (stream === null) throw gone(address);
      return stream;
    },
    async ranges() {
      const ranges = await (await bucketOf(bucket)).ranges(key);
      if (ranges === null) throw gone(address);
      return ranges;
    },
  };
}

function localSource(path: string, input: string): InputSource {
  const near = relative(process.cwd(), path);
  return source(input, visibleText(near.startsWith("..") ? path : near), path);
}

function source(input: string, where: string, file: string): InputSource {
  return { input, where, open: async () => readFrom(file, where), ranges: () => rangesOf(file, where) };
}

async function rangesOf(file: string, where: string): Promise<RangeReader> {
  const named = (cause: unknown): never => {
    throw inputError(cause, where);
  };
  const ranges = await fileRanges(file).catch(named);
  return { ...ranges, read: (from, to) => ranges.read(from, to).catch(named) };
}

async function* readFrom(file: string, where: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(file, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Uint8Array>;
  } catch (cause) {
    throw inputError(cause, where);
  }
}

async function spoolTo(
  file: string,
  stream: NodeJS.ReadableStream,
  where: string,
  signal?: AbortSignal,
): Promise<void> {
  const sink = createWriteStream(file, { mode: 0o600, flags: "wx" });
  try {
    await pipeline(stream, sink, signal === undefined ? {} : { signal });
  } catch (cause) {
    if (signal?.aborted === true) throw new AssayError("E_ABORTED", "stopped while the input was read", { where });
    if ((cause as NodeJS.ErrnoException).code === "ENOSPC") {
      throw new AssayError("E_INPUT_UNREADABLE", "no space is left to keep the input while it is read twice", {
        where: file,
        next: "set TMPDIR to a larger disk, or give the input as a file",
        cause,
      });
    }
    throw inputError(cause, where);
  }
}

function missingIsNull(where: string): (error: unknown) => null {
  return (error) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw inputError(error, where);
  };
}

function gone(where: string, cause?: unknown): AssayError {
  return new AssayError("E_INPUT_MISSING", "this input is gone", { where, cause });
}

function inputError(cause: unknown, where: string): AssayError {
  if (isAssayError(cause)) return cause;
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  if (code === "ENOENT") return gone(where, cause);
  if (code === "EACCES" || code === "EPERM")
    return new AssayError("E_DENIED", "this input may not be read", { where, got: code, cause });
  return new AssayError("E_INPUT_UNREADABLE", "this input cannot be read on", { where, got: code, cause });
}
