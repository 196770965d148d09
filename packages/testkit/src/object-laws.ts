import assert from "node:assert/strict";
import { isAssayError } from "@assay/core";
import { compareKeys, type ObjectStore } from "@assay/store";
import { fill, listed, rejects, same, streamed, utf8 } from "./compare-stored.ts";

export async function oneWinner(store: ObjectStore): Promise<void> {
  const racers = Array.from({ length: 50 }, (_, i) => fill(20_000 + i, i));
  const results = await Promise.all(racers.map((bytes) => store.putIfAbsent("race/one", bytes)));
  const winners = results.flatMap((result, i) => (result === "created" ? [i] : []));
  assert.equal(winners.length, 1, `${winners.length} won`);
  assert.equal(results.filter((result) => result === "exists").length, 49);
  same(await store.get("race/one"), racers[winners[0] ?? -1]);
  assert.equal(await store.putIfAbsent("race/one", racers[winners[0] ?? -1] ?? fill(0)), "exists");
}

export async function neverReplaced(store: ObjectStore): Promise<void> {
  assert.equal(await store.putIfAbsent("a/x.json", utf8("first")), "created");
  assert.equal(await store.putIfAbsent("a/x.json", utf8("second, longer")), "exists");
  assert.equal(await store.putIfAbsent("a/x.json", utf8("first")), "exists", "equal bytes are another's put, too");
  same(await store.get("a/x.json"), utf8("first"));
  assert.deepEqual(await store.head("a/x.json"), { size: 5 });
}

export async function absentIsNull(store: ObjectStore): Promise<void> {
  for (const key of ["absent", "a/b/absent", "a"]) {
    assert.equal(await store.get(key), null);
    assert.equal(await store.head(key), null);
    assert.equal(await store.read(key), null);
    assert.equal(await store.ranges(key), null);
    assert.deepEqual(await listed(store, key), []);
  }
  await store.putIfAbsent("a/b/c", utf8("c"));
  // neither the folder of an object nor what would lie below it
  for (const key of ["a", "a/b", "a/b/c/d"]) {
    assert.equal(await store.get(key), null);
    assert.equal(await store.head(key), null);
    assert.equal(await store.read(key), null);
    assert.equal(await store.ranges(key), null);
  }
}

export async function roundTrip(store: ObjectStore): Promise<void> {
  const every = Uint8Array.from({ length: 256 }, (_, i) => i);
  const large = fill(5_000_000, 7);
  for (const [key, bytes] of Object.entries({ none: fill(0), one: fill(1), every, large })) {
    assert.equal(await store.putIfAbsent(key, bytes), "created");
    same(await store.get(key), bytes);
    same(await streamed(store, key), bytes);
    assert.deepEqual(await store.head(key), { size: bytes.length });
    await sameRanges(store, key, bytes);
  }
  // a view into a larger buffer is put as the view
  await store.putIfAbsent("view", large.subarray(1_000, 1_010));
  same(await store.get("view"), large.subarray(1_000, 1_010));
  // a stream that is left early harms nothing that follows
  for await (const chunk of (await store.read("large")) ?? []) {
    assert.ok(chunk.length > 0);
    break;
  }
  same(await store.get("one"), fill(1));
}

/** The whole, its ends, its middle, nothing; and nothing outside of it. */
async function sameRanges(store: ObjectStore, key: string, bytes: Uint8Array): Promise<void> {
  const ranges = await store.ranges(key);
  assert.ok(ranges !== null);
  const { length } = bytes;
  assert.equal(ranges.size, length);
  const last = Math.max(0, length - 8);
  const middle = Math.floor(length / 2);
  for (const [from, to] of [
    [0, length],
    [0, Math.min(1, length)],
    [last, length],
    [middle, length],
    [middle, middle],
  ]) {
    same(await ranges.read(from ?? 0, to ?? 0), bytes.subarray(from, to));
  }
  await rejects(ranges.read(0, length + 1), "E_INTERNAL", "a range behind the end");
  await rejects(ranges.read(-1, 0), "E_INTERNAL", "a range before the beginning");
  await ranges.close();
}

const oddNames = ["a b", "a+b", "a%2Fb", "a%b", "ü", "日本", "😀", "a&b<c>'d\"", "a=b?c#d", ".x", "...", "~", "*"];

export async function oddKeys(store: ObjectStore): Promise<void> {
  for (const name of oddNames) assert.equal(await store.putIfAbsent(`odd/${name}`, utf8(name)), "created", name);
  for (const name of oddNames) {
    same(await store.get(`odd/${name}`), utf8(name));
    assert.equal(await store.putIfAbsent(`odd/${name}`, utf8("other")), "exists", name);
  }
  const keys = oddNames.map((name) => `odd/${name}`).sort(compareKeys);
  assert.deepEqual(
    (await listed(store, "odd/")).map(({ key }) => key),
    keys,
  );
  for (const key of keys) assert.equal((await listed(store, key))[0]?.key, key);
}

export async function removal(store: ObjectStore): Promise<void> {
  const removable = ["b-1/partial/000001/a.jsonl", "b-1/partial/x", "_tmp/abc"];
  const kept = [
    "b-1/rewards/000001.parquet",
    "b-1/batch.json",
    "assay.json",
    "partial/x",
    "a/b-1/partial/x",
    "b-1/partials/x",
    "_tmp2/x",
    "x/_tmp/y",
  ];
  for (const key of [...removable, ...kept]) await store.putIfAbsent(key, utf8(key));
  for (const key of kept) {
    await rejects(store.remove(key), "E_INTERNAL", key);
    same(await store.get(key), utf8(key));
  }
  for (const key of ["_tmp/../assay.json", "b-1/partial/../batch.json", "_tmp/", "b-1/partial/", "_tmp"]) {
    await rejects(store.remove(key), "E_INTERNAL", key);
  }
  for (const key of removable) {
    await store.remove(key);
    assert.equal(await store.get(key), null);
    await store.remove(key);
  }
  await store.remove("never/partial/was/there");
}

export async function putAfterRemoval(store: ObjectStore): Promise<void> {
  for (const text of ["one", "two", "three"]) {
    assert.equal(await store.putIfAbsent("b/partial/000000/part", utf8(text)), "created");
    same(await store.get("b/partial/000000/part"), utf8(text));
    await store.remove("b/partial/000000/part");
  }
}

const bad = [
  "",
  "/",
  "/a",
  "a/",
  "a//b",
  ".",
  "..",
  "a/./b",
  "a/../b",
  "../a",
  "a\\b",
  "a\0b",
  "a\nb",
  "a\ud800",
  "x".repeat(256),
  "é".repeat(128),
  `${"x/".repeat(600)}x`,
];

export async function badKeys(store: ObjectStore): Promise<void> {
  for (const key of bad) {
    const name = JSON.stringify(key.slice(0, 10));
    await rejects(store.get(key), "E_INTERNAL", `get ${name}`);
    await rejects(store.head(key), "E_INTERNAL", `head ${name}`);
    await rejects(store.read(key), "E_INTERNAL", `read ${name}`);
    await rejects(store.ranges(key), "E_INTERNAL", `ranges ${name}`);
    await rejects(store.putIfAbsent(key, utf8("x")), "E_INTERNAL", `put ${name}`);
    await rejects(store.remove(key), "E_INTERNAL", `remove ${name}`);
  }
  for (const prefix of ["/", "../", "a/../", "a//b", "a\0"]) {
    await rejects(listed(store, prefix), "E_INTERNAL", `list ${JSON.stringify(prefix)}`);
  }
  assert.deepEqual(await listed(store, ""), []);
}

export async function abortedCalls(store: ObjectStore): Promise<void> {
  await store.putIfAbsent("a/partial/x", utf8("x"));
  const signal = AbortSignal.abort();
  await rejects(store.get("a/partial/x", { signal }), "E_ABORTED", "get");
  await rejects(store.head("a/partial/x", { signal }), "E_ABORTED", "head");
  await rejects(store.read("a/partial/x", { signal }), "E_ABORTED", "read");
  await rejects(store.ranges("a/partial/x", { signal }), "E_ABORTED", "ranges");
  await rejects(store.putIfAbsent("a/y", utf8("y"), { signal }), "E_ABORTED", "put");
  await rejects(store.remove("a/partial/x", { signal }), "E_ABORTED", "remove");
  await rejects(listed(store, "a/", { signal }), "E_ABORTED", "list");
  assert.equal(await store.head("a/y"), null);
  same(await store.get("a/partial/x"), utf8("x"));
}

export async function abortedMidway(store: ObjectStore): Promise<void> {
  for (const key of ["a/1", "a/2", "a/3"]) await store.putIfAbsent(key, utf8(key));
  const listing = new AbortController();
  const keys = async (): Promise<void> => {
    for await (const { key } of store.list("a/", { signal: listing.signal })) {
      assert.equal(key, "a/1");
      listing.abort();
    }
  };
  await rejects(keys(), "E_ABORTED", "list");

  await store.putIfAbsent("large", fill(5_000_000, 3));
  const streaming = new AbortController();
  let got = 0;
  const chunks = async (): Promise<void> => {
    for await (const chunk of (await store.read("large", { signal: streaming.signal })) ?? []) {
      got += chunk.length;
      streaming.abort();
    }
  };
  // a store that gives all in one piece has nothing left to stop
  await chunks().then(
    () => assert.equal(got, 5_000_000),
    (error: unknown) => assert.ok(isAssayError(error, "E_ABORTED"), `read: ${String(error)}`),
  );
}
