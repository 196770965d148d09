import { mkdtemp, realpath, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { localStore, makeFolders } from "../src/local.ts";

let folder = "";
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "assay-folders-")));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("makes what is not there, tells the topmost of it, and takes what is there as it is", async () => {
  const path = join(folder, "a/b/c");
  expect(await makeFolders(path, 0o700)).toBe(join(folder, "a"));
  for (const made of ["a", "a/b", "a/b/c"]) expect((await stat(join(folder, made))).mode & 0o777).toBe(0o700);
  expect(await makeFolders(path)).toBeNull();
  expect(await makeFolders(join(folder, "a/b/d"))).toBe(join(folder, "a/b/d"));
  await symlink("a", join(folder, "link"));
  expect(await makeFolders(join(folder, "link/b"))).toBeNull();
  expect(await makeFolders("/")).toBeNull();
});

test("of many at once each finds the folder there, and one made it", async () => {
  const path = join(folder, "many/x/y");
  const made = await Promise.all(Array.from({ length: 16 }, () => makeFolders(path)));
  expect((await stat(path)).isDirectory()).toBe(true);
  expect(made.filter((topmost) => topmost === join(folder, "many"))).toHaveLength(1);
});

describe("ends, with what the system says,", () => {
  test("where a file or a link to nothing is in the way", async () => {
    await writeFile(join(folder, "file"), "");
    await symlink("nowhere", join(folder, "lost"));
    for (const name of ["file", "file/x", "file/x/y", "lost", "lost/x"])
      await expect(makeFolders(join(folder, name))).rejects.toThrow(/EEXIST|ENOTDIR/);
  });

  test("where nothing can be made in a folder that is there", async () => {
    await expect(makeFolders("/proc/self/x/y")).rejects.toThrow(/^E[A-Z]+: /);
    const gone = await mkdtemp(join(folder, "gone-"));
    const before = process.cwd();
    process.chdir(gone);
    await rm(gone, { recursive: true });
    try {
      await expect(makeFolders("x/y")).rejects.toThrow(/^ENOENT/);
    } finally {
      process.chdir(before);
    }
  });

  test("and a root there is a store that does not work", async () => {
    const store = localStore("/proc/self/x");
    await expect(store.putIfAbsent("a/b", new Uint8Array())).rejects.toMatchObject({ exit: expect.any(Number) });
  });
});
