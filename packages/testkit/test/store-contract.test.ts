import { AssayError } from "@assay/core";
import { compareKeys, type ObjectStore } from "@assay/store";
import { describe, expect, test } from "@jest/globals";
import { memoryStore, storeContract } from "../src/index.ts";

/** A contract that passes a broken store is worth nothing: each of these breaks one promise and has to be found. */
const broken: [string, (honest: ReturnType<typeof memoryStore>) => Partial<ObjectStore>][] = [
  [
    "replaces",
    (honest) => ({
      async putIfAbsent(key, bytes) {
        const result = await honest.putIfAbsent(key, bytes);
        honest.objects.set(key, bytes);
        return result;
      },
    }),
  ],
  [
    "tells everybody that he won",
    (honest) => ({
      async putIfAbsent(key, bytes, options) {
        await honest.putIfAbsent(key, bytes, options);
        return "created";
      },
    }),
  ],
  ["returns a byte less", (honest) => ({ get: async (key, at) => (await honest.get(key, at))?.subarray(1) ?? null })],
  [
    "returns nothing for an empty object",
    (honest) => ({ head: async (key, at) => noneIfEmpty(await honest.head(key, at)) }),
  ],
  ["lists by UTF-16 units", (honest) => sorted(honest, (a, b) => (a < b ? -1 : 1))],
  [
    "lists folders before what follows them",
    (honest) => sorted(honest, (a, b) => compareKeys(slashLow(a), slashLow(b))),
  ],
  ["loses every third key of a long listing", (honest) => ({ list: (prefix, at) => thinned(honest.list(prefix, at)) })],
  [
    "starts listings at `after`, not behind it",
    (honest) => ({ list: (prefix, at) => including(honest, prefix, at ?? {}) }),
  ],
  ["forgets `limit`", (honest) => ({ list: (prefix, { limit: _, ...at } = {}) => honest.list(prefix, at) })],
  ["removes anything", (honest) => ({ remove: async (key) => void honest.objects.delete(key) })],
  [
    "calls removing what is absent an error",
    (honest) => ({
      async remove(key, at) {
        if ((await honest.head(key)) === null) throw new AssayError("E_STORE_UNAVAILABLE", "not there");
        await honest.remove(key, at);
      },
    }),
  ],
  ["never hears the signal", (honest) => ({ get: (key) => honest.get(key) })],
  ["takes any key", (honest) => ({ get: async (key) => honest.objects.get(key) ?? null })],
];

describe("the contract finds a store that", () => {
  test.each(broken)("%s", async (_, breaking) => {
    const found: string[] = [];
    for (const { name, run } of storeContract({ listedKeys: 50 })) {
      const honest = memoryStore();
      await run({ ...honest, ...breaking(honest) }).catch(() => found.push(name));
    }
    expect(found).not.toEqual([]);
  });
});

function noneIfEmpty(found: { size: number } | null): { size: number } | null {
  return found?.size === 0 ? null : found;
}

const slashLow = (key: string): string => key.replaceAll("/", "\u0001");

function sorted(honest: ObjectStore, order: (a: string, b: string) => number): Partial<ObjectStore> {
  return {
    async *list(prefix, at) {
      const all: { key: string; size: number }[] = [];
      for await (const item of honest.list(prefix, at)) all.push(item);
      yield* all.sort((a, b) => order(a.key, b.key));
    },
  };
}

async function* thinned(list: ReturnType<ObjectStore["list"]>): ReturnType<ObjectStore["list"]> {
  let n = 0;
  for await (const item of list) {
    n += 1;
    if (n < 20 || n % 3 !== 0) yield item;
  }
}

async function* including(
  honest: ObjectStore,
  prefix: string,
  at: { after?: string; limit?: number; signal?: AbortSignal },
): ReturnType<ObjectStore["list"]> {
  const { after, ...rest } = at;
  for await (const item of honest.list(prefix, rest)) {
    if (after === undefined || compareKeys(item.key, after) >= 0) yield item;
  }
}
