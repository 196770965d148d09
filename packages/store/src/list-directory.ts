import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { callDirectory, orNull } from "./call-directory.ts";
import { checkPrefix, compareKeys } from "./check-key.ts";
import type { ObjectInfo } from "./port.ts";

interface ListOptions {
  readonly after?: string;
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

/**
 * Files by key order. Reads one folder at a time, and only those that can hold a key of the prefix behind `after`.
 * Temps of puts (_tmp/) show only when they are asked for.
 */
export async function* listDirectory(
  directory: string,
  prefix: string,
  options: ListOptions,
): AsyncGenerator<ObjectInfo> {
  checkPrefix(prefix);
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  if (left <= 0) return;
  const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  for await (const key of walk(directory, folder, prefix, options)) {
    const path = join(directory, ...key.split("/"));
    const found = await callDirectory(directory, key, options.signal, () => orNull(stat(path)));
    if (found === null) continue;
    yield { key, size: found.size, modified: found.mtimeMs };
    left -= 1;
    if (left <= 0) return;
  }
}

/** Keys below `folder` ("" or ending in "/"). A folder sorts as its name with the slash, since that is in its keys. */
async function* walk(directory: string, folder: string, prefix: string, options: ListOptions): AsyncGenerator<string> {
  const path = join(directory, ...folder.split("/"));
  const entries = await callDirectory(directory, folder, options.signal, () =>
    orNull(readdir(path, { withFileTypes: true })),
  );
  const names = (entries ?? [])
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map((entry) => folder + entry.name + (entry.isDirectory() ? "/" : ""))
    .filter((name) => name.startsWith(prefix) && name !== "_tmp/")
    .filter((name) => options.after === undefined || reaches(name, options.after))
    .sort(compareKeys);
  for (const name of names) {
    if (name.endsWith("/")) yield* walk(directory, name, prefix, options);
    else yield name;
  }
}

/** Whether a file, or some key in a folder, lies behind `after`. */
function reaches(name: string, after: string): boolean {
  return compareKeys(name, after) > 0 || (name.endsWith("/") && after.startsWith(name));
}
