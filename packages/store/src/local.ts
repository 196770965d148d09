import { createReadStream } from "node:fs";
import { readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { RangeReader } from "@assay/core";
import { callDirectory, orNull } from "./call-directory.ts";
import { checkKey, checkRemovable } from "./check-key.ts";
import { fileRanges } from "./file-ranges.ts";
import { listDirectory } from "./list-directory.ts";
import type { ObjectStore } from "./port.ts";
import { putFile } from "./put-file.ts";

export { fileRanges } from "./file-ranges.ts";
export { makeFolders } from "./make-folders.ts";

/**
 * A local or network directory as a full store. Put-if-absent: write a temp in _tmp/, fsync, link() to the final name,
 * fsync the directory, unlink the temp; never rename, which would replace a winner. Durable when it resolves.
 * `directory` is absolute. Made at the first write.
 *
 * Unlike in a bucket, a key cannot also be the folder of other keys. A network mount that hangs in the kernel hangs
 * its calls: nothing in this process can end them.
 */
export function localStore(directory: string): ObjectStore {
  const pathOf = (key: string): string => join(directory, ...key.split("/"));

  return {
    uri: directory,

    async get(key, options) {
      checkKey(key);
      return callDirectory(directory, key, options?.signal, () => orNull(readFile(pathOf(key))));
    },

    async putIfAbsent(key, bytes, options) {
      checkKey(key);
      return callDirectory(directory, key, options?.signal, () => putFile(directory, pathOf(key), bytes));
    },

    list: (prefix, options) => listDirectory(directory, prefix, options ?? {}),

    async head(key, options) {
      checkKey(key);
      return callDirectory(directory, key, options?.signal, async () => {
        const found = await orNull(stat(pathOf(key)));
        return found?.isFile() === true ? { size: found.size } : null;
      });
    },

    async read(key, options) {
      checkKey(key);
      return callDirectory(directory, key, options?.signal, async () => {
        const path = pathOf(key);
        const found = await orNull(stat(path));
        return found?.isFile() === true ? streamFile(directory, key, path, options?.signal) : null;
      });
    },

    async ranges(key, options) {
      checkKey(key);
      return callDirectory(directory, key, options?.signal, async () => {
        const path = pathOf(key);
        const found = await orNull(stat(path));
        return found?.isFile() === true
          ? callingDirectory(directory, key, await fileRanges(path), options?.signal)
          : null;
      });
    },

    async remove(key, options) {
      checkRemovable(key);
      await callDirectory(directory, key, options?.signal, () => orNull(unlink(pathOf(key))));
    },
  };
}

function callingDirectory(
  directory: string,
  key: string,
  ranges: RangeReader,
  signal: AbortSignal | undefined,
): RangeReader {
  return { ...ranges, read: (from, to) => callDirectory(directory, key, signal, () => ranges.read(from, to)) };
}

/** Opens the file when it is first asked for a chunk, so that a stream nobody reads holds no descriptor. */
async function* streamFile(
  directory: string,
  key: string,
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const stream = createReadStream(path, { highWaterMark: 1024 * 1024 });
  try {
    const chunks: AsyncIterator<Uint8Array> = stream[Symbol.asyncIterator]();
    for (;;) {
      const next = await callDirectory(directory, key, signal, () => chunks.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    stream.destroy();
  }
}
