import { type AssayError, batchKey, formatVersion, successKey } from "@assay/core";
import { memoryStore } from "@assay/testkit";
import { beforeEach, describe, expect, test } from "@jest/globals";
import { indexDone } from "../src/batch-index.ts";
import { appendControl } from "../src/control-log.ts";
import { isIdle } from "../src/is-idle.ts";
import { loadBatch, loadBatchIfPresent } from "../src/load-batch.ts";
import { model, records, submit } from "./build-batch.ts";

const author = { id: "p", at: "2026-01-01T00:00:00.000Z", by: "test" };
let store: ReturnType<typeof memoryStore>;
beforeEach(() => {
  store = memoryStore();
});

describe("is-idle", () => {
  test("an empty root, and a root with batches of another model", async () => {
    expect(await isIdle(store, model)).toBe(true);
    await submit(store, records(3), { batch: { model: "another" } });
    expect(await isIdle(store, model)).toBe(true);
    expect(await isIdle(store, "another")).toBe(false);
  });

  test.each([
    ["running", false],
    ["paused", true],
    ["cancelled", true],
    // complete without _SUCCESS: somebody has to carry on
    ["complete", false],
  ] as const)("%s: %s", async (state, idle) => {
    const { batch } = await submit(store, records(3));
    if (state !== "running") await appendControl(store, batch, { state }, author);
    expect(await isIdle(store, model)).toBe(idle);
    expect(await isIdle(store, model, batch)).toBe(idle);
    store.objects.set(successKey(batch), new Uint8Array());
    expect(await isIdle(store, model)).toBe(true);
  });

  test("one batch with work is enough; batches left alone, or that nobody can read, do not count", async () => {
    const one = await submit(store, records(3));
    const two = await submit(store, records(4));
    expect(await isIdle(store, model, null, new Map([[one.batch, 0]]))).toBe(false);
    expect(
      await isIdle(
        store,
        model,
        null,
        new Map([
          [one.batch, 0],
          [two.batch, 0],
        ]),
      ),
    ).toBe(true);
    store.objects.set(batchKey(one.batch), Buffer.from("{"));
    store.objects.set(batchKey(two.batch), Buffer.from(JSON.stringify({ ...two, format: formatVersion + 1 })));
    expect(await isIdle(store, model)).toBe(true);
  });

  test("the index is a hint: done there is not asked again", async () => {
    const { batch } = await submit(store, records(3));
    await indexDone(store, batch);
    expect(await isIdle(store, model)).toBe(true);
    expect(await isIdle(store, model, batch)).toBe(false);
  });
});

describe("load-batch", () => {
  test("batch.json as it was staged; none is E_NO_SUCH_BATCH, or null where that is asked", async () => {
    const file = await submit(store, records(3));
    expect(await loadBatch(store, file.batch)).toEqual(file);
    expect(await loadBatchIfPresent(store, "gone-0000000000000000")).toBeNull();
    expect(await loadBatch(store, "gone-0000000000000000").catch((error: AssayError) => error.code)).toBe(
      "E_NO_SUCH_BATCH",
    );
  });

  test.each([
    ["another format, whatever else it holds", { format: formatVersion + 1, chunks: "many" }, "E_USAGE"],
    ["a missing field", { model: undefined }, "E_BROKEN"],
    ["a field too many", { more: 1 }, "E_BROKEN"],
    ["no chunk", { chunks: [] }, "E_BROKEN"],
    ["another batch's name: a folder that was copied", { batch: "copy-0000000000000000" }, "E_BROKEN"],
  ])("%s", async (_name, changed, code) => {
    const file = await submit(store, records(3));
    store.objects.set(batchKey(file.batch), Buffer.from(JSON.stringify({ ...file, ...changed })));
    for (const loading of [loadBatch(store, file.batch), loadBatchIfPresent(store, file.batch)])
      expect(await loading.catch((error: AssayError) => error.code)).toBe(code);
  });
});
