import { type AssayError, rootKey } from "@assay/core";
import { memoryStore } from "@assay/testkit";
import { describe, expect, test } from "@jest/globals";
import { openRoot, readRootId } from "../src/open-root.ts";
import { faultyStore, killedAt } from "./faulty-store.ts";
import { immediateClock, turn } from "./immediate-clock.ts";

describe("open-root", () => {
  test("a race of many is one id, and it stays", async () => {
    const store = memoryStore(() => turn());
    const ids = await Promise.all(
      Array.from({ length: 20 }, (_, i) => openRoot(store, immediateClock(`${i % 10}`).random)),
    );
    expect(new Set(ids).size).toBe(1);
    expect(await openRoot(store, () => "f".repeat(16))).toBe(ids[0]);
    expect(await readRootId(store)).toBe(ids[0]);
  });

  test("killed at any operation and run again: one id", async () => {
    for (const when of ["before", "after"] as const) {
      for (let k = 1; k <= 3; k += 1) {
        const store = memoryStore();
        await openRoot(killedAt(store, k, when), () => "1".repeat(16)).catch(() => null);
        const kept = store.objects.has(rootKey);
        expect(await openRoot(store, () => "2".repeat(16))).toBe((kept ? "1" : "2").repeat(16));
      }
    }
  });

  test("a reader never makes one", async () => {
    const store = memoryStore();
    expect(await readRootId(store)).toBeNull();
    expect(store.objects.size).toBe(0);
  });

  test.each([
    ['{"layout":2,"id":"0123456789abcdef"}', "E_USAGE"],
    ['{"layout":2,"id":"0123456789abcdef","region":"x"}', "E_USAGE"],
    ['{"layout":0}', "E_USAGE"],
    ['{"layout":1,"id":"xyz"}', "E_BROKEN"],
    ['{"layout":1,"id":"0123456789abcdef","more":1}', "E_BROKEN"],
    ["null", "E_BROKEN"],
    ["{", "E_BROKEN"],
  ])("%s is %s", async (text, code) => {
    const store = memoryStore();
    store.objects.set(rootKey, Buffer.from(text));
    for (const opening of [openRoot(store, () => "1".repeat(16)), readRootId(store)])
      expect(await opening.catch((error: AssayError) => error.code)).toBe(code);
    expect(Buffer.from(store.objects.get(rootKey) ?? "").toString()).toBe(text);
  });

  test("a root that vanishes after it was written is broken, not made twice", async () => {
    const store = faultyStore(
      memoryStore(),
      () => null,
      () => null,
    );
    const forgetful = { ...store, get: async () => null };
    expect(await openRoot(forgetful, () => "1".repeat(16)).catch((error: AssayError) => error.code)).toBe("E_BROKEN");
  });
});
