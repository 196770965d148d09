import {
  type BatchFile,
  controlPrefix,
  doneKey,
  isAssayError,
  openPrefix,
  shardKey,
  successKey,
  summaryKey,
} from "@assay/core";
import { decodeShard, encodeShard } from "@assay/datasets";
import { memoryStore, seeded } from "@assay/testkit";
import { beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { appendControl, readControl } from "../src/control-log.ts";
import { type BatchSummary, finalizeBatch, readShards, summariseBatch } from "../src/finalize-batch.ts";
import { openRowMemory } from "../src/row-memory.ts";
import { openRowsAhead } from "../src/rows-ahead.ts";
import { scoreChunk } from "../src/score-chunk.ts";
import { contextOf, never, record, records, submit } from "./build-batch.ts";
import { faultyStore, killedAt, type StoreOperation } from "./faulty-store.ts";
import { immediateClock, turn } from "./immediate-clock.ts";
import { scriptedPool } from "./scripted-pool.ts";

/** A batch of three chunks whose shards all stand, not yet finalized. */
let file: BatchFile;
let scored: ReadonlyMap<string, Uint8Array>;
beforeAll(async () => {
  const store = memoryStore();
  file = await submit(store, `${records(39)}{\n${record(40, { responses: ["<think>", "b"], response: null })}\n`);
  const script = ({ row }: { row: string }) => (row.startsWith("r7|") ? ("rejected" as const) : ("verdict" as const));
  const clock = immediateClock();
  const ports = {
    store,
    spool: null,
    memory: openRowMemory(),
    ahead: openRowsAhead(clock),
    pool: scriptedPool({ script }),
    encodeShard,
    clock,
  };
  const options = {
    drain: never,
    signal: never,
    abort: never,
    software: "0.0.0-test",
    onLined: () => {},
    onSpooled: () => {},
    onAway: () => {},
    onRefused: () => {},
  };
  for (const chunk of file.chunks.keys()) await scoreChunk(ports, contextOf(file), chunk, options);
  scored = new Map(store.objects);
});

function scoredStore(before?: Parameters<typeof memoryStore>[0]): ReturnType<typeof memoryStore> {
  const store = memoryStore(before);
  for (const [key, bytes] of scored) store.objects.set(key, bytes);
  return store;
}
let authors = 0;
const author = () => {
  authors += 1;
  return { id: `f${authors}`, at: "2026-01-02T00:00:00.000Z", by: "test" };
};
const finalize = (store: Parameters<typeof finalizeBatch>[0]["store"]) =>
  finalizeBatch({ store, decodeShard }, file, author());
const summaryOf = (store: ReturnType<typeof memoryStore>): string =>
  Buffer.from(store.objects.get(summaryKey(file.batch)) ?? new Uint8Array()).toString();

async function undisturbed(): Promise<string> {
  const store = scoredStore();
  expect(await finalize(store)).toBe("finished");
  return summaryOf(store);
}

/** _SUCCESS never stands without what it promises. */
function assertOrder(store: ReturnType<typeof memoryStore>): void {
  const has = (key: string): boolean => store.objects.has(key);
  if (has(doneKey(file.batch))) expect(has(successKey(file.batch))).toBe(true);
  if (has(successKey(file.batch))) expect(has(summaryKey(file.batch))).toBe(true);
  if (has(summaryKey(file.batch))) {
    const last = [...store.objects.keys()]
      .filter((key) => key.startsWith(controlPrefix(file.batch)))
      .sort()
      .at(-1);
    expect(Buffer.from(store.objects.get(last ?? "") ?? new Uint8Array()).toString()).toContain('"state":"complete"');
  }
}

describe("finalize-batch", () => {
  test("the summary counts what the shards hold", async () => {
    const summary = JSON.parse(await undisturbed()) as BatchSummary;
    expect(summary).toMatchObject({
      batch: file.batch,
      records: 41,
      rows: 42,
      status: { ok: 39, rejected: 1, bad_input: 1, no_response: 1 },
      simulated: false,
      retries: [],
    });
    expect(summary.shards.map(({ chunk, rows }) => [chunk, rows])).toEqual([
      [0, 16],
      [1, 16],
      [2, 10],
    ]);
    expect(summary.yes).toBeGreaterThan(0);
    let greatest = 0;
    let sum = 0;
    for await (const { rows } of readShards({ store: scoredStore(), decodeShard }, file))
      for (const row of rows) {
        greatest = Math.max(greatest, row.scored_at);
        sum += row.reward ?? 0;
      }
    expect(Date.parse(summary.finished_at)).toBe(greatest);
    expect(summary.reward_sum).toBe(sum);
  });

  test.each(["before", "after"] as const)(
    "killed %s its k-th operation, for every k, and run again: the same summary, _SUCCESS last",
    async (when) => {
      const expected = await undisturbed();
      for (let k = 1; ; k += 1) {
        const store = scoredStore();
        const first = await finalize(killedAt(store, k, when)).catch(() => "killed");
        assertOrder(store);
        expect(await finalize(store)).toBe("finished");
        assertOrder(store);
        expect(summaryOf(store)).toBe(expected);
        expect(store.objects.get(successKey(file.batch))).toHaveLength(0);
        expect(store.objects.has(doneKey(file.batch))).toBe(true);
        if (first === "finished") break;
      }
    },
  );

  test("property: two finalizers at once, either killed anywhere, and a third: one summary, one complete", async () => {
    const expected = await undisturbed();
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.integer({ min: 1, max: 24 }),
        fc.integer({ min: 1, max: 24 }),
        async (seed, a, b) => {
          const random = seeded(seed);
          const store = scoredStore(async () => {
            if (random() < 0.5) await turn();
            assertOrder(store);
          });
          await Promise.allSettled([finalize(killedAt(store, a, "before")), finalize(killedAt(store, b, "after"))]);
          expect(await finalize(store)).toBe("finished");
          expect(summaryOf(store)).toBe(expected);
          const entries = [...store.objects.keys()].filter((key) => key.startsWith(controlPrefix(file.batch)));
          expect(entries).toHaveLength(1);
        },
      ),
      { numRuns: 40 },
    );
  });

  test("property: a cancel at any moment: complete or cancelled, never both, and a cancelled batch has no _SUCCESS", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.nat(30), async (seed, at) => {
        const random = seeded(seed);
        let operations = 0;
        let cancelling: Promise<unknown> = Promise.resolve();
        const store = scoredStore(async () => {
          if (random() < 0.5) await turn();
        });
        const watched = faultyStore(
          store,
          (_operation: StoreOperation) => {
            operations += 1;
            if (operations === at) cancelling = appendControl(store, file.batch, { state: "cancelled" }, author());
            return null;
          },
          () => null,
        );
        const result = await finalize(watched);
        await cancelling;
        const { state } = await readControl(store, file.batch);
        expect(state).toBe(result === "finished" ? "complete" : "cancelled");
        expect(store.objects.has(successKey(file.batch))).toBe(result === "finished");
        expect(store.objects.has(summaryKey(file.batch))).toBe(result === "finished");
      }),
      { numRuns: 40 },
    );
  });

  test("a shard missing: unfinished, and nothing is written", async () => {
    const store = scoredStore();
    store.objects.delete(shardKey(file.batch, 1));
    const before = store.objects.size;
    expect(await finalize(store)).toBe("unfinished");
    expect(store.objects.size).toBe(before);
  });

  test("a file that only looks like a shard does not count as one", async () => {
    const store = scoredStore();
    store.objects.set(`${file.batch}/rewards/rewards/000001.parquet`, store.objects.get(shardKey(file.batch, 1))!);
    store.objects.delete(shardKey(file.batch, 1));
    expect(await finalize(store)).toBe("unfinished");
  });

  test("a shard that a listing still shows and that is gone: E_BROKEN, no summary, no _SUCCESS", async () => {
    const store = scoredStore();
    const stale = { ...store, get: async (key: string) => (key === shardKey(file.batch, 1) ? null : store.get(key)) };
    const error = await finalize(stale).catch((thrown: unknown) => thrown);
    expect(isAssayError(error, "E_BROKEN")).toBe(true);
    expect(store.objects.has(summaryKey(file.batch))).toBe(false);
    expect(store.objects.has(successKey(file.batch))).toBe(false);
  });

  test("a paused batch whose last chunk has landed is completed", async () => {
    const store = scoredStore();
    await appendControl(store, file.batch, { state: "paused" }, author());
    expect(await finalize(store)).toBe("finished");
  });

  test("a finished batch is only put into the index again", async () => {
    const store = scoredStore();
    await finalize(store);
    store.objects.delete(doneKey(file.batch));
    expect(await finalize(store)).toBe("finished");
    expect(store.objects.has(doneKey(file.batch))).toBe(true);
    expect([...store.objects.keys()].some((key) => key.startsWith(openPrefix))).toBe(true);
  });

  test("reading shards: those that exist, in chunk order, few at a time", async () => {
    const store = scoredStore();
    store.objects.delete(shardKey(file.batch, 0));
    const chunks: number[] = [];
    for await (const { chunk } of readShards({ store, decodeShard }, file)) chunks.push(chunk);
    expect(chunks).toEqual([1, 2]);
    expect((await summariseBatch({ store, decodeShard }, file)).rows).toBe(26);
    const away = faultyStore(
      store,
      ({ key }) => (key.endsWith("2.parquet") ? "before" : null),
      () => "away",
    );
    await expect(summariseBatch({ store: away, decodeShard }, file)).rejects.toBe("away");
  });
});
