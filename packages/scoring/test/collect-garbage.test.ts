import { batchKey, partialPrefix, retryKey, shardKey } from "@assay/core";
import { memoryStore } from "@assay/testkit";
import { beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { indexBatch } from "../src/batch-index.ts";
import { type BatchGarbage, findGarbage, removeGarbage } from "../src/collect-garbage.ts";
import { appendControl } from "../src/control-log.ts";
import { listUnplanned, type UnplannedFolder } from "../src/list-unplanned.ts";
import { contents, records, submit } from "./build-batch.ts";

let store: ReturnType<typeof memoryStore>;
beforeEach(() => {
  store = memoryStore();
});

const put = (key: string, text = "x"): unknown => store.objects.set(key, Buffer.from(text));
async function all<T>(found: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of found) items.push(item);
  return items;
}
async function collect(): Promise<BatchGarbage[]> {
  const found = await all(findGarbage(store));
  for (const garbage of found) await removeGarbage(store, garbage);
  return found;
}

describe("collect-garbage", () => {
  test("property: what is below partial/ of a chunk with its shard goes, and nothing else, whatever lies around", async () => {
    const name = fc.constantFrom("0123456789abcdef.start", "0123456789abcdef-000001.jsonl.gz", "x", "a/b");
    const files = fc.uniqueArray(fc.tuple(fc.nat(6), name), { selector: String, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(files, fc.uniqueArray(fc.nat(3)), async (partial, done) => {
        store = memoryStore();
        const file = await submit(store, records(60));
        expect(file.chunks).toHaveLength(4);
        const key = ([chunk, text]: [number, string]): string =>
          `${partialPrefix(file.batch)}${String(chunk).padStart(6, "0")}/${text}`;
        for (const one of partial) put(key(one));
        for (const chunk of done) put(shardKey(file.batch, chunk));
        for (const foreign of ["note.txt", "1/x", "000000", "old/000000/x"])
          put(`${partialPrefix(file.batch)}${foreign}`);
        const garbage = partial.filter(([chunk]) => done.includes(chunk)).map(key);
        const kept = new Map([...store.objects].filter(([one]) => !garbage.includes(one)));
        const found = await collect();
        expect(found.flatMap(({ keys }) => keys).sort()).toEqual(garbage.sort());
        expect(found.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(garbage.length);
        expect(contents(store.objects)).toBe(contents(kept));
        expect(await collect()).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });

  test("a folder without batch.json is never looked into, indexed or not, nor one whose plan cannot be read", async () => {
    for (const folder of ["gone-0123456789abcdef", "torn-0123456789abcdef"]) {
      await indexBatch(store, folder, "2026-01-01T00:00:00.000Z");
      put(shardKey(folder, 0));
      put(`${partialPrefix(folder)}000000/0123456789abcdef.start`);
    }
    put(batchKey("torn-0123456789abcdef"), "{");
    const before = contents(store.objects);
    expect(await collect()).toEqual([]);
    expect(contents(store.objects)).toBe(before);
  });
});

describe("list-unplanned", () => {
  test("folders that are no batch, with their size; not the index, the root's own files, nor a retry that waits", async () => {
    const file = await submit(store, records(3));
    put("assay.json");
    put("_probe/2026-01-01.ok");
    put("stray.txt");
    put(retryKey(file.batch, 1));
    put(`${file.batch}-r1/rows/000000.jsonl.gz`);
    put(`${file.batch}-r2/rows/000000.jsonl.gz`, "four");
    // names that sort on either side of the slash
    for (const folder of ["a", "a-b", "a0", "z"]) for (const n of [1, 2]) put(`${folder}/rows/${n}`, "abc");
    const expected = (folder: string, objects: number, bytes: number): UnplannedFolder => ({
      folder,
      objects,
      bytes,
      lostPlan: false,
      modified: null,
    });
    expect((await all(listUnplanned(store))).sort((x, y) => (x.folder < y.folder ? -1 : 1))).toEqual([
      expected("a", 2, 6),
      expected("a-b", 2, 6),
      expected("a0", 2, 6),
      expected(`${file.batch}-r2`, 1, 4),
      expected("z", 2, 6),
    ]);
    expect(await all(listUnplanned(memoryStore()))).toEqual([]);
  });

  test("a batch that lost its batch.json is told from a submit that was killed", async () => {
    const file = await submit(store, records(3));
    await appendControl(store, file.batch, { state: "paused" }, { id: "a", at: "2026-01-01T00:00:00.000Z", by: "x@y" });
    put("killed/rows/000000.jsonl.gz");
    const plan = store.objects.get(batchKey(file.batch))!;
    store.objects.delete(batchKey(file.batch));
    const lost = async () => (await all(listUnplanned(store))).filter(({ lostPlan }) => lostPlan);
    expect((await lost()).map(({ folder }) => folder)).toEqual([file.batch]);
    // the same submit writes it anew, but for when that was
    expect(await submit(store, records(3))).toMatchObject({ batch: file.batch, sha256: file.sha256 });
    expect(await lost()).toEqual([]);
    expect(Buffer.from(store.objects.get(batchKey(file.batch))!).equals(plan)).toBe(true);
  });
});
