import { shardKey, successKey } from "@assay/core";
import { decodeShard } from "@assay/datasets";
import { memoryStore, seeded } from "@assay/testkit";
import { beforeEach, describe, expect, jest, test } from "@jest/globals";
import fc from "fast-check";
import { appendControl } from "../src/control-log.ts";
import { groupFailures } from "../src/group-failures.ts";
import { readFamily } from "../src/read-family.ts";
import { stageRetry } from "../src/stage-retry.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { records, submit } from "./build-batch.ts";
import { refuseUnhandled } from "./refuse-unhandled.ts";
import { at, type Played, retriesIn, staging } from "./retry-family.ts";

jest.setTimeout(120_000);
refuseUnhandled();

let store: ReturnType<typeof memoryStore>;
beforeEach(() => {
  store = memoryStore();
});
const { link, retry, score, rowsOf, rowsOfFamily } = retriesIn(() => store);

describe("a family", () => {
  test("property: over any history of retries a row is ok at most once, and is told by its ok or its newest result", async () => {
    const filter = fc.subarray(["truncated", "looped", "rejected"] as const, { minLength: 1 });
    const history = fc.record({
      seed: fc.integer(),
      rows: fc.integer({ min: 1, max: 60 }),
      retries: fc.array(filter, { maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(history, async ({ seed, rows, retries }) => {
        store = memoryStore();
        const random = seeded(seed);
        const plays = (): Played =>
          (["ok", "ok", "truncated", "looped", "rejected"] as const)[Math.floor(random() * 5)]!;
        const head = await submit(store, records(rows));
        // a chunk whose rows all fail alike pauses its batch, which is not looked at here
        const author = (): { id: string; at: string; by: string } => ({ id: String(random()), at, by: "test" });
        await appendControl(store, head.batch, { accept_failures: true }, author());
        const asked = new Map<number, Played>();
        const played = (row: number): Played => {
          const status = plays();
          asked.set(row, status);
          return status;
        };
        await score(played);
        const expected = new Map(asked);
        for (const status of retries) {
          asked.clear();
          const linked = await link(head, status, { again: true });
          const wanted = [...expected].filter(([, was]) => status.some((one) => one === was)).map(([row]) => row);
          expect(linked === null).toBe(wanted.length === 0);
          if (linked === null) continue;
          const child = await stageRetry({ store, decodeShard }, head, linked.n, staging);
          await appendControl(store, child.batch, { accept_failures: true }, author());
          await score(played);
          expect([...asked.keys()].sort((a, b) => a - b)).toEqual(wanted.sort((a, b) => a - b));
          for (const [row, status] of asked) expected.set(row, status);
        }
        const { retries: children } = await readFamily(store, head);
        const ok: number[] = [];
        for (const { file } of [{ file: head }, ...children]) {
          for (const row of await rowsOf(file!)) if (row.status === "ok") ok.push(row.row_index);
          expect(await verifyBatch({ store, decodeShard }, file!.batch)).toMatchObject({
            complete: true,
            broken: null,
          });
        }
        expect(new Set(ok).size).toBe(ok.length);
        const family = await rowsOfFamily(head);
        expect(family.map(({ row_index }) => row_index)).toEqual([...Array(rows).keys()]);
        expect(family.map(({ status }) => status)).toEqual(family.map(({ row_index }) => expected.get(row_index)));
      }),
      { numRuns: 40 },
    );
  });

  test("shows of a retry that still runs what is there", async () => {
    const head = await submit(store, records(600));
    await score((row) => (row % 2 === 0 ? "truncated" : "ok"));
    const child = (await retry(head, ["truncated"]))!;
    expect(child.chunks.length).toBeGreaterThan(2);
    await score();
    const shard = `${child.batch}/rewards/000001.parquet`;
    store.objects.delete(shard);
    store.objects.delete(successKey(child.batch));
    const rows = await rowsOfFamily(head);
    const { row_start, rows: gone } = child.chunks[1]!;
    expect(rows).toHaveLength(600);
    expect(rows.filter(({ status }) => status !== "ok")).toHaveLength(gone);
    expect(rows.find(({ status }) => status !== "ok")?.row_index).toBe(row_start);
  });

  test("that is complete and lacks a shard, or has one that cannot be read, is broken and never fewer rows", async () => {
    const head = await submit(store, records(600));
    await score((row) => (row % 2 === 0 ? "truncated" : "ok"));
    const child = (await retry(head, ["truncated"]))!;
    await score();
    for (const { batch } of [head, child]) {
      const shard = shardKey(batch, 1);
      const bytes = store.objects.get(shard)!;
      const broken = { code: "E_BROKEN", where: `${store.uri}/${shard}`, next: `assay verify ${batch}` };
      store.objects.delete(shard);
      await expect(rowsOfFamily(head)).rejects.toMatchObject(broken);
      store.objects.set(shard, bytes.subarray(0, bytes.length - 9));
      await expect(rowsOfFamily(head)).rejects.toMatchObject(broken);
      store.objects.set(shard, bytes);
    }
    expect(await rowsOfFamily(head)).toHaveLength(600);
  });
});

describe("failures", () => {
  test("are grouped by status and code over the family, the largest first, each with its first row", async () => {
    const head = await submit(store, `${records(30)}{"broken\n`);
    await score((row) => (row < 12 ? "truncated" : row < 15 ? "looped" : "ok"));
    const failures = async () => groupFailures({ store, decodeShard }, await readFamily(store, head));
    expect(await failures()).toMatchObject({
      rows: 31,
      failed: 16,
      groups: [
        {
          status: "truncated",
          error_code: "E_TRUNCATED",
          rows: 12,
          example: { row_index: 0, input: "in.jsonl", input_line: 1 },
        },
        {
          status: "looped",
          error_code: "E_LOOPED",
          rows: 3,
          example: { row_index: 12, id: "in:13", batch: head.batch },
        },
        { status: "bad_input", error_code: "invalid_json", rows: 1, example: { row_index: 30, input_line: 31 } },
      ],
    });
    const child = (await retry(head, ["truncated"]))!;
    await score((row) => (row === 7 ? "looped" : "ok"));
    expect(await failures()).toMatchObject({
      failed: 5,
      groups: [
        { status: "looped", rows: 4, example: { row_index: 7, batch: child.batch } },
        { status: "bad_input", rows: 1 },
      ],
    });
  });
});
