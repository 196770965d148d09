import * as files from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";

/**
 * A file system whose inode numbers are beyond 2^53, as Lustre's are: it makes them of a sequence shifted by 24 bits
 * (144115205255725057 is a usual one), and those of files that are made one after the other differ by one.
 */
const firstInode = 144_115_205_255_725_057n;
const inodes = new Map<bigint, bigint>();

function asOnLustre(real: bigint): bigint {
  const inode = inodes.get(real) ?? firstInode + BigInt(inodes.size);
  inodes.set(real, inode);
  return inode;
}

async function stat(path: string, options?: { bigint?: boolean }): Promise<object> {
  const found = await files.stat(path, { bigint: true });
  const ino = asOnLustre(found.ino);
  if (options?.bigint === true) return Object.assign(found, { ino });
  return Object.assign(await files.stat(path), { ino: Number(ino) });
}

jest.unstable_mockModule("node:fs/promises", () => ({ ...files, stat }));
const { localStore } = await import("../src/local.ts");
const { assertAtomicStore } = await import("../src/assert-atomic-store.ts");

let root: string;
beforeEach(async () => {
  root = await files.mkdtemp(join(tmpdir(), "assay-store-"));
});
afterEach(() => files.rm(root, { recursive: true, force: true }));

test("of many that put one key at once one wins, also where inode numbers are beyond what a double tells apart", async () => {
  const store = localStore(root);
  const racers = Array.from({ length: 20 }, (_, i) => store.putIfAbsent("b/x", new TextEncoder().encode(`${i}`)));
  expect((await Promise.all(racers)).filter((result) => result === "created")).toHaveLength(1);
  await assertAtomicStore(store, { day: "2026-01-01", random: () => "r" });
});
