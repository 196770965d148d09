import {
  AssayError,
  type ControlState,
  controlKey,
  controlPrefix,
  controlStates,
  isAssayError,
  mayFollow,
} from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { memoryStore, seeded } from "@assay/testkit";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { appendControl, readControl } from "../src/control-log.ts";
import { faultyStore } from "./faulty-store.ts";
import { turn } from "./immediate-clock.ts";

const batch = "b-0000000000000000";
const author = (id: string) => ({ id, at: "2026-01-01T00:00:00.000Z", by: "test" });

/** Every entry in order, as the states they say. */
async function states(store: ObjectStore): Promise<ControlState[]> {
  const told: ControlState[] = [];
  let n = 0;
  for await (const { key } of store.list(controlPrefix(batch))) {
    n += 1;
    expect(key).toBe(controlKey(batch, n));
    told.push(
      (JSON.parse(new TextDecoder().decode((await store.get(key)) ?? undefined)) as { state: ControlState }).state,
    );
  }
  return told;
}

describe("control-log", () => {
  test("no entry is running at weight 1; each entry is the whole state, what is left out stays", async () => {
    const store = memoryStore();
    expect(await readControl(store, batch)).toEqual({
      state: "running",
      weight: 1,
      accept_failures: false,
      n: 0,
      last: null,
    });
    await appendControl(store, batch, { weight: 5 }, author("a"));
    await appendControl(store, batch, { state: "paused", reason: "lunch" }, author("b"));
    await appendControl(store, batch, { state: "running", accept_failures: true }, author("c"));
    expect(await readControl(store, batch)).toMatchObject({
      state: "running",
      weight: 5,
      accept_failures: true,
      n: 3,
      last: { id: "c", reason: null },
    });
    expect(await states(store)).toEqual(["running", "paused", "running"]);
  });

  test.each(controlStates.flatMap((from) => controlStates.map((to) => [from, to] as const)))(
    "%s -> %s happens exactly when it may",
    async (from, to) => {
      const store = memoryStore();
      if (from !== "running") await appendControl(store, batch, { state: from }, author("a"));
      const before = (await states(store)).length;
      const { appended, control } = await appendControl(store, batch, { state: to }, author("b"));
      const may = from !== to && mayFollow(from, to);
      expect(appended).toBe(may);
      expect(control.state).toBe(may ? to : from);
      expect((await states(store)).length).toBe(before + (may ? 1 : 0));
    },
  );

  test("a complete batch takes no entry at all, not even a weight", async () => {
    const store = memoryStore();
    await appendControl(store, batch, { state: "complete" }, author("a"));
    expect(await appendControl(store, batch, { weight: 3 }, author("b"))).toMatchObject({
      appended: false,
      control: { weight: 1 },
    });
  });

  test("property: cancel and complete at once, among others: never both, no gap, and everybody is told what rules", async () => {
    const wish = fc.constantFrom(...controlStates);
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.array(wish, { minLength: 2, maxLength: 8 }), async (seed, wishes) => {
        const random = seeded(seed);
        const store = memoryStore(async () => {
          for (let i = Math.floor(random() * 4); i > 0; i -= 1) await turn();
        });
        const told = await Promise.all(
          wishes.map((state, i) => appendControl(store, batch, { state }, author(`p${i}`))),
        );
        const log = await states(store);
        // nothing follows complete, and complete never follows cancelled
        for (const [i, state] of log.entries()) expect(mayFollow(i === 0 ? "running" : log[i - 1]!, state)).toBe(true);
        expect(log.length).toBe(told.filter(({ appended }) => appended).length);
        expect(log.includes("complete") ? log.at(-1) : "complete").toBe("complete");
      }),
      { numRuns: 300 },
    );
  });

  test("property: lost replies, repeated until answered: each wish stands once and is told so", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 3 }), async (seed, people) => {
        const random = seeded(seed);
        const memory = memoryStore(async () => {
          if (random() < 0.5) await turn();
        });
        const store = faultyStore(
          memory,
          () => (random() < 0.3 ? (random() < 0.5 ? "before" : "after") : null),
          () => new AssayError("E_STORE_UNAVAILABLE", "played"),
        );
        const append = async (weight: number): Promise<void> => {
          for (;;) {
            const told = await appendControl(store, batch, { weight }, author(`p${weight}`)).catch(
              (error: unknown) => error,
            );
            if (isAssayError(told, "E_STORE_UNAVAILABLE")) continue;
            expect(told).toMatchObject({ appended: true });
            return;
          }
        };
        // weights differ, so every one of them is a change whoever was last
        await Promise.all(Array.from({ length: people }, (_, i) => append(i + 2)));
        expect(await states(memory)).toHaveLength(people);
      }),
      { numRuns: 200 },
    );
  });

  test("a pause whose reply was lost is not put again over the resume that followed it", async () => {
    const store = memoryStore();
    await appendControl(store, batch, { state: "paused" }, author("worker"));
    await appendControl(store, batch, { state: "running" }, author("person"));
    expect(await appendControl(store, batch, { state: "paused" }, author("worker"))).toMatchObject({
      appended: true,
      control: { state: "running", n: 2 },
    });
  });

  test("a file that somebody left in the folder is no entry; an entry that cannot be read is E_BROKEN", async () => {
    const store = memoryStore();
    await appendControl(store, batch, { state: "paused" }, author("a"));
    store.objects.set(`${batch}/control/000001 (copy).json`, store.objects.get(controlKey(batch, 1))!);
    store.objects.set(`${batch}/control/old/000009.json`, new Uint8Array());
    expect(await readControl(store, batch)).toMatchObject({ state: "paused", n: 1 });
    await appendControl(store, batch, { state: "running" }, author("b"));
    expect(store.objects.has(controlKey(batch, 2))).toBe(true);
    for (const bytes of ["", "{}", "[1", '{"state":"running"}']) {
      store.objects.set(controlKey(batch, 2), Buffer.from(bytes));
      const error = await readControl(store, batch).catch((thrown: unknown) => thrown);
      expect(isAssayError(error, "E_BROKEN")).toBe(true);
      expect((error as AssayError).where).toBe(controlKey(batch, 2));
    }
  });
});
