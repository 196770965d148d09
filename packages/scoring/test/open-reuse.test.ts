import { createHash } from "node:crypto";
import { AssayError, type BatchFile, isAssayError, type ResultRow, successKey } from "@assay/core";
import { decodeKeys, decodeShard } from "@assay/datasets";
import { memoryStore } from "@assay/testkit";
import { beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { chooseReuse } from "../src/choose-reuse.ts";
import { readShards } from "../src/finalize-batch.ts";
import { createKeyTable } from "../src/key-table.ts";
import { linkRetry } from "../src/link-retry.ts";
import { openReuse } from "../src/open-reuse.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { type Changed, pin, probing, record, records, submit } from "./build-batch.ts";
import { type Befalls, faultyStore, type StoreOperation } from "./faulty-store.ts";
import { turns } from "./immediate-clock.ts";
import { type Ask, type Say, scriptedPool } from "./scripted-pool.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";

const seed = 20_261_125;
const key = (text: string): string => createHash("sha256").update(text).digest("hex");

describe("key-table", () => {
  test("is a map that keeps the first place of each key", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 60 }), (numbers) => {
        const table = createKeyTable(numbers.length);
        const map = new Map<string, { shard: number; row: number }>();
        for (const [row, n] of numbers.entries()) {
          table.add(key(`${n}`), { shard: n, row });
          if (!map.has(key(`${n}`))) map.set(key(`${n}`), { shard: n, row });
        }
        expect(table.size).toBe(map.size);
        for (let n = 0; n <= 41; n += 1) expect(table.find(key(`${n}`))).toEqual(map.get(key(`${n}`)) ?? null);
      }),
      { seed, numRuns: 300 },
    );
  });

  test("keys that want the same slot stand side by side", () => {
    const table = createKeyTable(8);
    // the first word alone chooses the slot
    const same = Array.from({ length: 8 }, (_, i) => `0000000f${String(i).padStart(56, "0")}`);
    for (const [row, one] of same.entries()) table.add(one, { shard: 0, row });
    // the kept words are the first 32 digits: keys that differ behind them alone are one key to the table
    expect(same.map((one) => table.find(one))).toEqual(same.map(() => ({ shard: 0, row: 0 })));
    const apart = Array.from({ length: 7 }, (_, i) => `0000000f${String(i + 1).padStart(8, "0")}${"0".repeat(48)}`);
    for (const [row, one] of apart.entries()) table.add(one, { shard: 1, row });
    expect(apart.map((one) => table.find(one))).toEqual(apart.map((_, row) => ({ shard: 1, row })));
  });

  test("more keys than it was made for are refused", () => {
    const table = createKeyTable(1);
    table.add(key("a"), { shard: 0, row: 0 });
    table.add(key("a"), { shard: 0, row: 1 });
    expect(() => table.add(key("b"), { shard: 0, row: 2 })).toThrow(RangeError);
  });
});

let store: ReturnType<typeof memoryStore>;
let queue: ReturnType<typeof wipeableQueue>;
beforeEach(() => {
  store = memoryStore();
  queue = wipeableQueue();
});

/** Scores a text on engines that answer as told, and tells what was asked. */
async function score(
  text: string,
  changed: Changed = {},
  answer: (ask: Ask) => Say = () => "verdict",
  found: Partial<typeof pin> = {},
) {
  const file = await submit(store, text, changed);
  const pool = scriptedPool({ script: answer });
  const ended = await startWorker({ store, queue, pool, probe: probing(found) }).ended;
  return { file, asked: pool.log.filter(({ kind }) => kind === "chat").map(({ row }) => row), ended };
}

async function rowsOf(file: BatchFile): Promise<ResultRow[]> {
  const all: ResultRow[] = [];
  for await (const { rows } of readShards({ store, decodeShard }, file)) all.push(...rows);
  return all;
}

const reusing = (...batches: string[]): Changed => ({ batch: { reuse: batches } });

describe("open-reuse", () => {
  test("ok rows of an earlier batch are taken over, the others are asked, and every promise holds", async () => {
    const cut = (ask: Ask): Say => (ask.row.startsWith("r3|") ? { completion: { finishReason: "length" } } : "verdict");
    const first = await score(records(40), {}, cut);
    const before = await rowsOf(first.file);
    expect(before.filter(({ status }) => status === "truncated")).toHaveLength(1);

    const more = records(50, 0);
    const second = await score(more, reusing(first.file.batch));
    expect(second.asked.sort()).toEqual(
      ["r3|is it right", ...Array.from({ length: 10 }, (_, k) => `r${40 + k}|is it right`)].sort(),
    );
    const after = await rowsOf(second.file);
    for (const [i, row] of after.slice(0, 40).entries()) {
      if (i === 3) continue;
      const { batch, source, attempts, queue_ms, ...judged } = row;
      const { batch: _b, source: _s, attempts: _a, queue_ms: _q, ...earlier } = before[i] as ResultRow;
      expect(judged).toEqual(earlier);
      expect({ batch, source, attempts, queue_ms }).toEqual({
        batch: second.file.batch,
        source: `reused:${first.file.batch}`,
        attempts: 0,
        queue_ms: null,
      });
    }
    expect(after.filter(({ source }) => source === "scored")).toHaveLength(11);
    expect(await verifyBatch({ store, decodeShard }, second.file.batch)).toMatchObject({ broken: null });
  });

  test("what a retry of the earlier batch made ok is taken over, too, under the retry's name", async () => {
    const cut = (ask: Ask): Say => (ask.row.startsWith("r3|") ? { completion: { finishReason: "length" } } : "verdict");
    const first = await score(records(6), {}, cut);
    const retry = await linkRetry(
      { store, decodeShard },
      first.file,
      { status: ["truncated"], set: new Map([["max_tokens", "17000"]]), again: false },
      { at: "2026-02-01T00:00:00.000Z", by: "test" },
    );
    // any worker stages and scores it
    await startWorker({ store, queue, pool: scriptedPool() }).ended;
    const second = await score(records(7), reusing(first.file.batch));
    expect(second.asked).toEqual(["r6|is it right"]);
    expect((await rowsOf(second.file))[3]).toMatchObject({ status: "ok", source: `reused:${retry?.name}` });
  });

  test("the labels are the new row's: place, id and principle index do not travel", async () => {
    const first = await score(`${record(0, { id: "old" })}\n`);
    const second = await score(`${record(7)}\n${record(0, { id: "new" })}\n`, reusing(first.file.batch));
    expect((await rowsOf(second.file))[1]).toMatchObject({
      row_index: 1,
      id: "new",
      input_line: 2,
      source: `reused:${first.file.batch}`,
    });
    expect(second.asked).toEqual(["r7|is it right"]);
  });

  test("a store that is away while an earlier result is read is waited for: the chunk goes on, and its rows in flight", async () => {
    const first = await score(records(8));
    const file = await submit(store, records(8, 100) + records(8), reusing(first.file.batch));
    expect(file.chunks).toHaveLength(1);
    const befell = { loads: 0, faults: 0 };
    const befalls = ({ kind, key }: StoreOperation): Befalls => {
      if (kind === "get" && key.startsWith(`${file.batch}/rows/`)) befell.loads += 1;
      // while the keys are read nothing happens: the chunk is not opened yet
      if (befell.loads === 0 || !key.startsWith(`${first.file.batch}/rewards/`) || befell.faults >= 5) return null;
      befell.faults += 1;
      return "before";
    };
    const faulty = faultyStore(store, befalls, () => new AssayError("E_STORE_UNAVAILABLE", "played"));
    const pool = scriptedPool();
    expect(await startWorker({ store: faulty, queue, pool }).ended).toBe("idle");
    expect(befell).toEqual({ loads: 1, faults: 5 });
    expect(pool.log.filter(({ kind }) => kind === "chat")).toHaveLength(8);
    expect(await verifyBatch({ store, decodeShard }, file.batch)).toMatchObject({ complete: true, broken: null });
  });

  test("what is reused is part of the batch's name, and naming nothing is not", async () => {
    const first = await score(records(3));
    const plain = await submit(store, records(4));
    const reuse = await submit(store, records(4), reusing(first.file.batch));
    expect(reuse.batch).not.toBe(plain.batch);
    expect((await submit(store, records(4), { batch: { reuse: [] } })).batch).toBe(plain.batch);
  });

  test("another sampling, another principle or another layout is another judgement: all is asked", async () => {
    const first = await score(records(5));
    const file = first.file;
    const warmer = { ...file.profile, sampling: { ...file.profile.sampling, temperature: 0.7 } };
    const second = await score(records(5), { batch: { reuse: [file.batch], profile: warmer } });
    expect(second.asked).toHaveLength(5);
    // the token budget is none of it
    const longer = { ...file.profile, max_tokens: 17_000 };
    expect((await score(records(5), { batch: { reuse: [file.batch], profile: longer } })).asked).toEqual([]);
  });

  test("answers that another rule made rewards of are never taken over, and the worker says which rule", async () => {
    const first = await score(records(5));
    const { profile } = first.file;
    const rules: { readonly [field: string]: Partial<typeof profile.verdict> } = {
      min_mass: { min_mass: 0.9 },
      pair: { pair: "logsumexp" },
      anchor: { anchor: "My Judgement:" },
      forms: { forms: profile.verdict.forms.slice(0, 1) },
    };
    for (const [field, rule] of Object.entries(rules)) {
      const other = { ...profile, verdict: { ...profile.verdict, ...rule } };
      const changed: Changed = { batch: { reuse: [first.file.batch], profile: other } };
      await expect(chooseReuse(store, [first.file.batch], { ...first.file, profile: other })).rejects.toMatchObject({
        code: "E_USAGE",
        where: first.file.batch,
        expected: expect.stringMatching(new RegExp(`^${field} `)),
      });
      const second = await score(records(5), changed);
      expect([second.asked, second.ended]).toMatchObject([[], { error: { code: "E_USAGE" } }]);
    }
    // how the number is read is the pin's matter
    const insisting = { ...profile, verdict: { ...profile.verdict, insist: true as const } };
    expect(await chooseReuse(store, [first.file.batch], { ...first.file, profile: insisting })).toHaveLength(1);
  });

  test("what a retry read by another rule is asked again", async () => {
    const cut = (ask: Ask): Say => (ask.row.startsWith("r3|") ? { completion: { finishReason: "length" } } : "verdict");
    const first = await score(records(6), {}, cut);
    await linkRetry(
      { store, decodeShard },
      first.file,
      { status: ["truncated"], set: new Map([["min_mass", "0"]]), again: false },
      { at: "2026-02-01T00:00:00.000Z", by: "test" },
    );
    await startWorker({ store, queue, pool: scriptedPool() }).ended;
    expect((await score(records(7), reusing(first.file.batch))).asked.sort()).toEqual([
      "r3|is it right",
      "r6|is it right",
    ]);
  });

  test("a batch that is gone is told by name, and its follower is left alone, not ended without a word", async () => {
    const { file: first } = await score(records(3));
    const next = await submit(store, records(20, 100), reusing(first.batch));
    for (const key of [...store.objects.keys()]) if (key.startsWith(first.batch)) store.objects.delete(key);
    const worker = startWorker({ store, queue });
    const gone = { code: "E_USAGE", where: expect.stringContaining(first.batch), got: "no batch.json" };
    await expect(Promise.race([worker.ended, turns(5_000)])).resolves.toMatchObject({ error: gone });
    expect(worker.events).toEqual([{ type: "refused", batch: next.batch, error: expect.objectContaining(gone) }]);
  });

  test("a batch that still runs is refused: what it holds may yet grow", async () => {
    const first = await score(records(3));
    store.objects.delete(successKey(first.file.batch));
    const opening = openReuse({ store, decodeShard, decodeKeys }, { ...first.file, reuse: [first.file.batch] }, pin);
    await expect(opening).rejects.toMatchObject({ code: "E_USAGE" });
  });

  test.each<[string, Partial<typeof pin>, string]>([
    ["simulated rewards", { simulated: true }, "E_SIMULATED_MIX"],
    ["another template", { template: "f".repeat(64) }, "E_PIN_MISMATCH"],
  ])("%s never stand beside the batch's own", async (_name, found, code) => {
    const first = await score(records(3), {}, undefined, found);
    const second = await score(records(4), reusing(first.file.batch));
    expect(second.asked).toEqual([]);
    expect(
      isAssayError((second.ended as { error: unknown }).error) &&
        (second.ended as { error: { code: string } }).error.code,
    ).toBe(code);
  });
});
