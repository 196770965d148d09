import { randomBytes } from "node:crypto";
import { link, open, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AssayError } from "@assay/core";
import { atomicStores } from "./atomic-stores.ts";
import { codeOf, orNull } from "./call-directory.ts";
import { makeFolders } from "./make-folders.ts";
import type { PutResult } from "./port.ts";

const exact = { bigint: true } as const;

/**
 * Put-if-absent: temp in `directory`/_tmp, fsync, link() to `path`, fsync of the folders, unlink of the temp. Throws
 * the system's errors, and E_STORE_NOT_ATOMIC where there are no hard links. Leaves no temp unless it is killed.
 */
export async function putFile(directory: string, path: string, bytes: Uint8Array): Promise<PutResult> {
  // most puts of a second submit or a lost race find the object there: no temp has to be written for these
  const found = await orNull(stat(path));
  if (found !== null) return existsAsFile(path, found.isFile());
  const temp = join(directory, "_tmp", randomBytes(12).toString("hex"));
  await makeDirectory(dirname(temp));
  await makeDirectory(dirname(path));
  try {
    await writeDurably(temp, bytes);
    return await linkOnce(temp, path, directory);
  } finally {
    await unlink(temp).catch(() => {});
  }
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function linkOnce(temp: string, path: string, directory: string): Promise<PutResult> {
  try {
    await link(temp, path);
  } catch (error) {
    const code = codeOf(error);
    if (code === "EPERM" || code === "ENOTSUP" || code === "EXDEV" || code === "ENOSYS") {
      throw new AssayError("E_STORE_NOT_ATOMIC", "this file system has no hard links, so two workers could both win", {
        where: directory,
        expected: "a file system with link(): ext4, xfs, NFS, Lustre, GPFS",
        got: code,
        cause: error,
        next: atomicStores,
      });
    }
    if (code !== "EEXIST") throw error;
    // a network file system may lose the answer of a link() that took place: then the name is our own temp's inode, whose
    // number is beyond 2^53 on Lustre, where a double takes the temps of all who lost for the winner's
    const [ours, theirs] = await Promise.all([stat(temp, exact), orNull(stat(path, exact))]);
    if (theirs === null || ours.ino !== theirs.ino || ours.dev !== theirs.dev) {
      return existsAsFile(path, theirs === null || theirs.isFile());
    }
  }
  await syncDirectory(dirname(path));
  return "created";
}

/** A folder of the name is no object: "exists" would tell the caller that something is stored which no get returns. */
function existsAsFile(path: string, isFile: boolean): "exists" {
  if (isFile) return "exists";
  throw Object.assign(new Error(`a folder stands under the name ${path}`), { code: "EISDIR" });
}

async function makeDirectory(path: string): Promise<void> {
  const topmost = await makeFolders(path);
  if (topmost === null) return;
  // a new folder is durable only when its parent is: from the innermost one up to what was there before
  for (let made = path; ; made = dirname(made)) {
    await syncDirectory(dirname(made));
    if (made === topmost || made === dirname(made)) return;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } catch (error) {
    // some network file systems refuse fsync of a directory; they make names durable by themselves
    if (codeOf(error) !== "EINVAL" && codeOf(error) !== "EPERM") throw error;
  } finally {
    await file.close();
  }
}
