import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAssayError } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { storeContract } from "@assay/testkit";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { localStore } from "../src/local.ts";

const utf8 = (value: string): Uint8Array => new TextEncoder().encode(value);

let root: string;
let store: ObjectStore;

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), "assay-store-"));
  // made at the first write
  root = join(folder, "a", "root");
  store = localStore(root);
});
afterEach(() => rm(join(root, "..", ".."), { recursive: true, force: true }));

describe("the contract", () => {
  test.each(storeContract({ listedKeys: 300 }))("$name", ({ run }) => run(store));
});

test("a put leaves no temp behind, whoever wins", async () => {
  const puts = Array.from({ length: 20 }, (_, i) => store.putIfAbsent(`b/${i % 5}`, utf8(`${i}`)));
  await Promise.all(puts);
  await store.putIfAbsent("b/1", utf8("again"));
  expect(await readdir(join(root, "_tmp"))).toEqual([]);
  expect((await readdir(join(root, "b"))).sort()).toEqual(["0", "1", "2", "3", "4"]);
});

test("a put that fails leaves no temp behind and no object", async () => {
  // the folder's path still fits into what the system allows, the object's does not
  const deep = join(root, ...Array.from({ length: 15 }, () => "d".repeat(250)));
  const deepStore = localStore(join(deep, "e".repeat(4_000 - deep.length)));
  await expect(deepStore.putIfAbsent(`b/${"x".repeat(250)}`, utf8("x"))).rejects.toMatchObject({ code: "E_USAGE" });
  expect(await readdir(join(deepStore.uri, "_tmp"))).toEqual([]);
  expect(await keysOf(deepStore)).toEqual([]);
});

test("no reader sees a part of an object", async () => {
  const large = new Uint8Array(8_000_000).fill(7);
  const seen = new Set<number | null>();
  for (let round = 0; round < 5; round += 1) {
    const key = `b/rewards/${round}`;
    let done = false;
    const put = store.putIfAbsent(key, large).then(() => {
      done = true;
    });
    while (!done) {
      seen.add((await store.head(key))?.size ?? null);
      seen.add((await store.get(key))?.length ?? null);
      for await (const { size } of store.list("b/rewards/")) seen.add(size);
    }
    await put;
    seen.add((await store.get(key))?.length ?? null);
  }
  // both were met, and nothing between them
  expect(seen).toEqual(new Set([null, large.length]));
});

test("what a crash left in _tmp is not listed, and can be found and removed by name", async () => {
  await store.putIfAbsent("b/x", utf8("x"));
  await writeFile(join(root, "_tmp", "0123456789ab"), "half an obj");
  expect(await keysOf(store)).toEqual(["b/x"]);
  expect(await keysOf(store, "_")).toEqual([]);
  expect(await keysOf(store, "_tmp/")).toEqual(["_tmp/0123456789ab"]);
  await store.remove("_tmp/0123456789ab");
  expect(await readdir(join(root, "_tmp"))).toEqual([]);
});

test("reading makes no directory", async () => {
  expect(await store.get("a")).toBeNull();
  expect(await keysOf(store)).toEqual([]);
  await store.remove("b/partial/x");
  await expect(readdir(root)).rejects.toMatchObject({ code: "ENOENT" });
});

test("nothing outside the root is ever read or listed", async () => {
  await store.putIfAbsent("b/x", utf8("x"));
  await writeFile(join(root, "..", "secret"), "secret");
  await expect(store.get("../secret")).rejects.toMatchObject({ code: "E_INTERNAL" });
  await expect(keysOf(store, "../")).rejects.toMatchObject({ code: "E_INTERNAL" });
});

test("a file where a folder is needed, and a folder where an object is, are said and not waited for", async () => {
  await store.putIfAbsent("b/x", utf8("x"));
  await expect(store.putIfAbsent("b/x/y", utf8("y"))).rejects.toMatchObject({ code: "E_USAGE" });
  await expect(store.putIfAbsent("b", utf8("b"))).rejects.toMatchObject({ code: "E_USAGE" });
  await expect(localStore(join(root, "b", "x")).putIfAbsent("y", utf8("y"))).rejects.toMatchObject({ code: "E_USAGE" });
  expect(await keysOf(store)).toEqual(["b/x"]);
});

test("rights that are missing are denied", async () => {
  await store.putIfAbsent("b/x", utf8("x"));
  await chmod(join(root, "b"), 0o500);
  await chmod(join(root, "b", "x"), 0o000);
  try {
    // root may do everything, so there is nothing to see for it
    if (process.getuid?.() === 0) {
      expect(await store.putIfAbsent("b/y", utf8("y"))).toBe("created");
      return;
    }
    await expect(store.putIfAbsent("b/y", utf8("y"))).rejects.toMatchObject({ code: "E_DENIED" });
    await expect(store.get("b/x")).rejects.toMatchObject({ code: "E_DENIED" });
    await expect(drain(await store.read("b/x"))).rejects.toMatchObject({ code: "E_DENIED" });
  } finally {
    await chmod(join(root, "b"), 0o700);
  }
});

test("a file that vanishes between opening and reading is an error of ours", async () => {
  await store.putIfAbsent("b/partial/x", utf8("x"));
  const chunks = await store.read("b/partial/x");
  await store.remove("b/partial/x");
  const error = await drain(chunks).catch((thrown: unknown) => thrown);
  expect(isAssayError(error, "E_STORE_UNAVAILABLE")).toBe(true);
});

test("a listing reads only the folders that can hold what is asked for", async () => {
  for (const key of ["a-1/rewards/0", "a-2/rewards/0", "b-1/rewards/0"]) await store.putIfAbsent(key, utf8(key));
  // a folder whose name is not readable as a directory would fail the walk: a file under a folder's entry is not
  await mkdir(join(root, "empty", "deep"), { recursive: true });
  expect(await keysOf(store, "a-")).toEqual(["a-1/rewards/0", "a-2/rewards/0"]);
  expect(await keysOf(store, "", "a-1/rewards/0")).toEqual(["a-2/rewards/0", "b-1/rewards/0"]);
  expect(await keysOf(store, "", "a-1/zzz")).toEqual(["a-2/rewards/0", "b-1/rewards/0"]);
  expect(await readFile(join(root, "b-1", "rewards", "0"), "utf8")).toBe("b-1/rewards/0");
});

async function keysOf(listed: ObjectStore, prefix = "", after?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of listed.list(prefix, after === undefined ? {} : { after })) keys.push(key);
  return keys;
}

async function drain(chunks: AsyncIterable<Uint8Array> | null): Promise<void> {
  for await (const chunk of chunks ?? []) expect(chunk.length).toBeGreaterThan(0);
}
