import { AssayError } from "@assay/core";
import { describe, expect, test } from "@jest/globals";
import { memoryStore, storeContract } from "../src/index.ts";

describe("the contract", () => {
  test.each(storeContract({ listedKeys: 2_500 }))("$name", ({ run }) => run(memoryStore()));
});

test("a fault stands in the way of its operation and of no other", async () => {
  const store = memoryStore((operation, key) => {
    if (operation === "put" && key === "a") throw new AssayError("E_STORE_UNAVAILABLE", "away");
  });
  await expect(store.putIfAbsent("a", new Uint8Array(1))).rejects.toMatchObject({ code: "E_STORE_UNAVAILABLE" });
  expect(await store.get("a")).toBeNull();
  expect(await store.putIfAbsent("b", new Uint8Array(1))).toBe("created");
});

test("what a caller does to bytes it put or got changes nothing that is stored", async () => {
  const store = memoryStore();
  const bytes = new Uint8Array([1, 2, 3]);
  await store.putIfAbsent("a", bytes);
  bytes[0] = 9;
  (await store.get("a"))!.fill(9);
  expect([...(await store.get("a"))!]).toEqual([1, 2, 3]);
});
