import assert from "node:assert/strict";
import { compareKeys, type ObjectStore } from "@assay/store";
import { listed, utf8 } from "./compare-stored.ts";

/** By UTF-16 units "😀" would come before "\uffee"; by folder walks "a/b" before "a-b". */
const ordered = ["Z", "a!/x", "a-b", "a.b", "a/b", "a/b-c", "a/b.c", "a/c/d", "a0", "aé", "b", "é", "\uffee", "😀"];

export async function listOrder(store: ObjectStore): Promise<void> {
  for (const key of [...ordered].reverse()) await store.putIfAbsent(key, utf8(key));
  const found = await listed(store, "");
  assert.deepEqual(
    found.map(({ key }) => key),
    ordered,
  );
  for (const { key, size } of found) assert.equal(size, utf8(key).length, key);
}

export async function listWindow(store: ObjectStore): Promise<void> {
  for (const key of ordered) await store.putIfAbsent(key, utf8(key));
  for (const prefix of ["", "a", "a/", "a/b", "a/b.c", "a-", "Z", "nothing", "a/nothing/", "é"]) {
    // also bounds that are no keys, and one that lies inside a folder
    for (const after of [undefined, "", "a", "a-b", "a/", "a/b", "a/c", "a/zzz", "b", "\uffee", "😀😀"]) {
      for (const limit of [undefined, 0, 1, 3, 100]) {
        const at = { ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }) };
        const expected = ordered
          .filter((key) => key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0))
          .slice(0, limit);
        const got = (await listed(store, prefix, at)).map(({ key }) => key);
        assert.deepEqual(got, expected, `list(${JSON.stringify(prefix)}, ${JSON.stringify(at)})`);
      }
    }
  }
}

export async function longList(store: ObjectStore, keys: number): Promise<void> {
  const names = Array.from({ length: keys }, (_, i) => `long/rewards/${String(i).padStart(6, "0")}.parquet`);
  for (let i = 0; i < keys; i += 20) {
    await Promise.all(names.slice(i, i + 20).map((name) => store.putIfAbsent(name, utf8("x"))));
  }
  assert.deepEqual(
    (await listed(store, "long/")).map(({ key }) => key),
    names,
  );
  const middle = names[keys >> 1] ?? "";
  assert.deepEqual(
    (await listed(store, "long/rewards/", { after: middle })).map(({ key }) => key),
    names.slice((keys >> 1) + 1),
  );
  const most = keys - 1;
  assert.equal((await listed(store, "long/", { limit: most })).length, most);
}

export async function listedAtOnce(store: ObjectStore): Promise<void> {
  for (let i = 0; i < 5; i += 1) {
    await store.putIfAbsent(`log/00000${i}.json`, utf8("{}"));
    assert.equal((await listed(store, "log/")).length, i + 1);
  }
}
