import { constants, createReadStream, createWriteStream, fstatSync, openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { basename, join, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { isatty } from "node:tty";
import { AssayError, compareNatural, inputStem, type RangeReader, visibleText } from "@assay/core";
import {
  type ChosenInput,
  chooseInputs,
  globBase,
  inputKinds,
  isGlob,
  passedOver,
  pickInputs,
  readGlob,
} from "@assay/datasets";
import type { InputSource } from "@assay/scoring";
import { isKey, type ObjectStore } from "@assay/store";
import { fileRanges } from "@assay/store/local";
import { nearPath } from "./current-folder.ts";
import { findLocalInputs, type OnPassedOver } from "./find-local-inputs.ts";
import { inputError } from "./input-error.ts";
import { openUri } from "./open-store.ts";

export interface OpenedInputs {
  readonly sources: InputSource[];
  /** for the readable part of the batch's name: the only input's stem, or the common folder's name */
  readonly readable: string;
  /** what of folders and prefixes is not read although it may hold records, in words */
  readonly passedOver: readonly string[];
  /** removes what was spooled */
  close(): Promise<void>;
}

/**
 * Turns INPUT arguments into sources that can be read twice: files, folders (`pickInputs` of what lies below),
 * globs, s3:// objects, prefixes and globs, or - for stdin. What can be read only once (stdin, pipes) is spooled into a
 * temporary file. Throws E_INPUT_MISSING, E_INPUT_UNREADABLE, E_DENIED, E_USAGE; E_ABORTED when the signal fires while
 * something is spooled.
 */
export async function openInputs(
  inputs: readonly string[],
  options: { signal?: AbortSignal; stdin?: NodeJS.ReadableStream } = {},
): Promise<OpenedInputs> {
  const local: string[] = [];
  const remote: string[] = [];
  const once: (string | null)[] = [];
  const bucketOf = openBuckets();
  const passed: string[] = [];
  const onPassedOver: OnPassedOver = (input, paths) => {
    if (paths.length > 0) passed.push(passedOverText(input, paths));
  };
  for (const input of inputs) {
    if (input === "-") once.push(null);
    else if (isRemote(input))
      for (const address of await listRemote(input, bucketOf, onPassedOver)) remote.push(address);
    else for (const { path, isPipe } of await findLocalInputs(input, onPassedOver)) (isPipe ? once : local).push(path);
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
      const stream = path === null ? (options.stdin ?? ownStdin()) : openPipe(path);
      await spoolTo(file, stream, path ?? "stdin", options.signal);
      sources.push(source(i === 0 ? "stdin" : `stdin-${i + 1}`, path ?? "stdin", file));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { sources, readable: readableName(chosen), passedOver: passed, close };
}

function passedOverText(input: string, paths: readonly string[]): string {
  const first = visibleText(basename([...paths].sort(compareNatural)[0] ?? ""));
  const files =
    paths.length === 1 ? `1 file is not read, ${first}` : `${paths.length} files are not read, the first ${first}`;
  return `${visibleText(input)}: ${files}; a folder is read for one kind of file, others are to be named`;
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

async function listRemote(input: string, bucketOf: BucketOf, onPassedOver: OnPassedOver): Promise<string[]> {
  const [, bucket = "", key = ""] = /^s3:\/\/([^/]+)\/?(.*)$/is.exec(input) ?? [];
  const store = await bucketOf(bucket);
  const address = (found: string): string => {
    if (isKey(found)) return `s3://${bucket}/${found}`;
    throw new AssayError("E_INPUT_UNREADABLE", "an object of this name cannot be read", {
      where: visibleText(`s3://${bucket}/${found}`),
      expected: "parts of at most 255 bytes, none empty, . or .., without backslash and control character",
      next: "copy it to another name",
    });
  };
  const base = isGlob(key) ? globBase(key) : key.replace(/\/+$/, "");
  if (base !== "") address(base);
  // a name is a name, whatever characters it has, as it is on this machine
  const mayBeName = isGlob(key) ? isKey(key) : key !== "" && !key.endsWith("/");
  if (mayBeName && (await store.head(key)) !== null) return [address(key)];
  const below: string[] = [];
  for await (const { key: name } of store.list(base === "" ? "" : `${base}/`)) below.push(name);
  const picked = isGlob(key) ? below.filter(readGlob(key).matches) : pickInputs(below);
  if (!isGlob(key) && picked.length > 0) onPassedOver(input, passedOver(below, picked));
  const found = picked.map(address);
  if (found.length === 0) {
    throw new AssayError("E_INPUT_MISSING", "no input object was found", {
      where: input,
      expected: `an object, a prefix with one of these below it: ${inputKinds}; or a pattern that matches`,
    });
  }
  return found;
}

function remoteSource(address: string, input: string, bucketOf: BucketOf): InputSource {
  const [, bucket = "", key = ""] = /^s3:\/\/([^/]+)\/(.*)$/is.exec(address) ?? [];
  return {
    input,
    where: visibleText(address),
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
  return source(input, nearPath(path), path);
}

function source(input: string, name: string, file: string): InputSource {
  const where = visibleText(name);
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

/** A terminal is a device that ends; /dev/zero would be kept until the disk is full. */
function ownStdin(): NodeJS.ReadableStream {
  if (!isatty(0) && fstatSync(0).isCharacterDevice()) {
    throw new AssayError("E_INPUT_UNREADABLE", "stdin is a device", { where: "-", expected: "a pipe or a file" });
  }
  return process.stdin;
}

/** Opened without waiting for a writer, since no signal ends a wait inside of open(): what is waited for is its text. */
function openPipe(path: string): NodeJS.ReadableStream {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return new Socket({ fd, readable: true, writable: false });
  } catch (cause) {
    throw inputError(cause, path);
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

function gone(where: string): AssayError {
  return new AssayError("E_INPUT_MISSING", "this input is gone", { where });
}
