import { type AssayError, batchKey, openPrefix, sha256 } from "@assay/core";
import { memoryStore } from "@assay/testkit";
import { beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { findBatch, indexBatch, indexDone, listBatches, listOpenBatches } from "../src/batch-index.ts";

let store: ReturnType<typeof memoryStore>;
beforeEach(() => {
  store = memoryStore();
});

const name = (k: number, readable = "run"): string => `${readable}-${sha256(String(k)).slice(0, 16)}`;
const at = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
const code = (error: AssayError): string => error.code;

async function all(): Promise<string[]> {
  const batches: string[] = [];
  for await (const batch of listBatches(store)) batches.push(batch);
  return batches;
}

describe("batch-index", () => {
  test("property: newest first, each once; the open ones oldest first; in whatever order they came", async () => {
    const minutes = fc.uniqueArray(fc.nat(100_000), { minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(minutes, fc.uniqueArray(fc.nat(29)), async (times, done) => {
        store = memoryStore();
        for (const [k, minute] of times.entries()) await indexBatch(store, name(k), at(minute));
        // two submitters may have begun at different times
        await indexBatch(store, name(0), at(times[0]! + 0.5));
        for (const k of done) if (k < times.length) await indexDone(store, name(k));
        const byTime = times.map((minute, k) => ({ minute, k })).sort((a, b) => b.minute - a.minute);
        expect(await all()).toEqual(byTime.map(({ k }) => name(k)));
        const open = byTime.filter(({ k }) => !done.includes(k)).reverse();
        expect((await listOpenBatches(store)).sort()).toEqual(open.map(({ k }) => name(k)).sort());
      }),
      { numRuns: 60 },
    );
  });

  test("indexing again writes nothing", async () => {
    for (let i = 0; i < 2; i += 1) await indexBatch(store, name(1), at(1));
    expect([...store.objects.keys()].filter((key) => key.startsWith(openPrefix))).toHaveLength(1);
    expect(await all()).toEqual([name(1)]);
  });

  test("the oldest open batch is served first", async () => {
    await indexBatch(store, name(2), at(2));
    await indexBatch(store, name(1), at(1));
    expect(await listOpenBatches(store)).toEqual([name(1), name(2)]);
  });
});

describe("find-batch", () => {
  beforeEach(async () => {
    await indexBatch(store, name(1, "alpha"), at(1));
    await indexBatch(store, name(2, "alpha"), at(2));
    await indexBatch(store, name(3, "beta"), at(3));
  });

  test.each([
    [name(1, "alpha"), name(1, "alpha")],
    ["latest", name(3, "beta")],
    ["b", name(3, "beta")],
    [name(2, "alpha").slice(0, 10), name(2, "alpha")],
    [`s3://bucket/root/${name(1, "alpha")}/`, name(1, "alpha")],
    [`./out/${name(3, "beta")}`, name(3, "beta")],
  ])("%s", async (text, expected) => {
    expect(await findBatch(store, text)).toBe(expected);
  });

  test("a name that begins another's is itself, not ambiguous", async () => {
    await indexBatch(store, "beta", at(4));
    expect(await findBatch(store, "beta")).toBe("beta");
  });

  test.each(["alpha", "gamma", "", "/", "../../etc"])("%j names none, or more than one", async (text) => {
    const error = await findBatch(store, text).catch((thrown: AssayError) => thrown);
    expect(code(error as AssayError)).toBe("E_NO_SUCH_BATCH");
  });

  test("an unset variable of a script does not mean the only batch of a root", async () => {
    store = memoryStore();
    await indexBatch(store, name(1), at(1));
    expect(await findBatch(store, "").catch(code)).toBe("E_NO_SUCH_BATCH");
    expect(await findBatch(store, "run")).toBe(name(1));
  });

  test("a retry is found by its whole name; a beginning and latest mean the batch itself", async () => {
    const retry = `${name(3, "beta")}-r1`;
    await indexBatch(store, retry, at(9));
    expect(await findBatch(store, retry)).toBe(retry);
    for (const text of ["latest", "b", name(3, "beta")]) expect(await findBatch(store, text)).toBe(name(3, "beta"));
  });

  test("a batch that the index does not know is found by its whole name", async () => {
    store.objects.set(batchKey(name(9)), new Uint8Array());
    expect(await findBatch(store, name(9))).toBe(name(9));
    expect(await findBatch(store, name(8)).catch(code)).toBe("E_NO_SUCH_BATCH");
  });

  test("an empty root has no latest", async () => {
    expect(await findBatch(memoryStore(), "latest").catch(code)).toBe("E_NO_SUCH_BATCH");
  });
});
