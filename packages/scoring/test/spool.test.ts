import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { AssayError, checkpointKey, type ResultRow, readPartialKey, shardKey } from "@assay/core";
import { decodeShard } from "@assay/datasets";
import type { ObjectStore } from "@assay/store";
import { localStore } from "@assay/store/local";
import { memoryStore } from "@assay/testkit";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { emptySpool } from "../src/empty-spool.ts";
import { listSpool, openSpool } from "../src/spool.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { record, submit } from "./build-batch.ts";
import { type Befalls, faultyStore, type StoreOperation } from "./faulty-store.ts";
import { turn, until } from "./immediate-clock.ts";
import { scriptedPool } from "./scripted-pool.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";

const away = (): AssayError => new AssayError("E_STORE_UNAVAILABLE", "played");
const isCheckpoint = ({ kind, key }: StoreOperation): boolean => kind === "put" && readPartialKey(key)?.kind === "rows";
const text = `${record(0, { principles: Array.from({ length: 100 }, (_, k) => `p${k}`) })}\n`;

let folder: string;
let disk: ObjectStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-spool-"));
  disk = localStore(folder);
});
afterEach(() => rm(folder, { recursive: true }));

async function spooledFiles(): Promise<number> {
  let files = 0;
  for await (const _ of listSpool(disk)) files += 1;
  return files;
}

async function spooledRows(): Promise<number[]> {
  const rows: number[] = [];
  for await (const key of listSpool(disk)) {
    const bytes = (await disk.get(key)) ?? new Uint8Array();
    const lines = gunzipSync(bytes).toString().trimEnd().split("\n").slice(1);
    rows.push(...lines.map((line) => (JSON.parse(line) as ResultRow).row_index));
  }
  return rows.sort((a, b) => a - b);
}

/** 100 rows of which the first 80 end; the store is away for checkpoints as `befalls` decides. */
async function halfDone(befalls: (operation: StoreOperation) => Befalls) {
  const store = memoryStore();
  const file = await submit(store, text);
  const queue = wipeableQueue();
  const pool = scriptedPool({
    slots: 1_000,
    script: ({ row }) => (Number(/p(\d+)/.exec(row)?.[1]) < 80 ? "verdict" : "hang"),
  });
  const worker = startWorker({ store: faultyStore(store, befalls, away), disk, queue, pool }, { drainMs: 0 });
  await until(() => pool.inFlight() === 20);
  return { store, file, queue, worker };
}

describe("finished rows while the store is away", () => {
  test("a drained process leaves them on the disk; the next one of the host puts them into the store and asks none again", async () => {
    const { store, file, queue, worker } = await halfDone((operation) => (isCheckpoint(operation) ? "before" : null));
    worker.drain.abort();
    expect(await worker.ended).toBe("drained");
    expect(await spooledRows()).toEqual([...Array(80).keys()]);
    expect(worker.events.filter(({ type }) => type === "spooled").at(-1)).toMatchObject({ chunk: 0, rows: 80 });

    const second = startWorker({ store, disk, queue });
    expect(await second.ended).toBe("idle");
    expect(second.events).toContainEqual({ type: "unspooled", checkpoints: 1 });
    expect(new Set(second.pool.log.map(({ row }) => row)).size).toBe(20);
    expect(await verifyBatch({ store, decodeShard }, file.batch)).toMatchObject({ complete: true, broken: null });
    expect(await spooledRows()).toEqual([]);
  });

  test.each([1, 5])(
    "nor are they asked again where the store refuses them %i times more while the next one begins",
    async (fails) => {
      const { store, file, queue, worker } = await halfDone((operation) => (isCheckpoint(operation) ? "before" : null));
      worker.drain.abort();
      await worker.ended;
      let tries = 0;
      const befalls = (operation: StoreOperation): Befalls =>
        isCheckpoint(operation) && tries++ < fails ? "before" : null;
      const second = startWorker({ store: faultyStore(store, befalls, away), disk, queue });
      expect(await second.ended).toBe("idle");
      expect(new Set(second.pool.log.map(({ row }) => row)).size).toBe(20);
      expect(await verifyBatch({ store, decodeShard }, file.batch)).toMatchObject({ complete: true, broken: null });
    },
  );

  test("once the store takes them the disk holds nothing, and of many tries never more than the last two", async () => {
    let tries = 0;
    const held: number[] = [];
    const { store, file, worker } = await halfDone((operation) => {
      if (!isCheckpoint(operation)) return null;
      tries += 1;
      return tries < 6 ? "before" : null;
    });
    // time passes in turns of the event loop here: a try each
    while (tries < 6) {
      held.push(await spooledFiles());
      await turn();
    }
    await until(() => [...store.objects.keys()].some((key) => readPartialKey(key)?.kind === "rows"));
    expect(Math.max(...held)).toBeLessThanOrEqual(2);
    worker.abort.abort();
    await worker.ended;
    expect(await spooledFiles()).toBe(0);
    expect(store.objects.has(shardKey(file.batch, 0))).toBe(false);
  });

  test("a disk that takes nothing costs no row and no chunk", async () => {
    const full = faultyStore(disk, ({ kind }) => (kind === "put" ? "before" : null), away);
    const store = memoryStore();
    const file = await submit(store, text);
    let tries = 0;
    const befalls = (operation: StoreOperation): Befalls => {
      if (!isCheckpoint(operation)) return null;
      tries += 1;
      return tries < 3 ? "before" : null;
    };
    const worker = startWorker({ store: faultyStore(store, befalls, away), disk: full, queue: wipeableQueue() });
    expect(await worker.ended).toBe("idle");
    expect(await verifyBatch({ store, decodeShard }, file.batch)).toMatchObject({ complete: true, broken: null });
  });
});

describe("the spool's limit", () => {
  test("what would make it larger is not kept", async () => {
    const spool = openSpool(disk, 100);
    const key = (seq: number): string => checkpointKey("b-0123456789abcdef", 0, "0123456789abcdef", seq);
    expect(await spool.keep(key(0), new Uint8Array(60))).toBe(true);
    expect(await spool.keep(key(1), new Uint8Array(41))).toBe(false);
    expect(await spool.keep(key(2), new Uint8Array(40))).toBe(true);
    await spool.drop(key(0));
    expect(await spool.keep(key(3), new Uint8Array(60))).toBe(true);
  });
});

describe("emptySpool", () => {
  const bytes = new Uint8Array([1, 2, 3]);
  const checkpoint = (batch: string, chunk = 0): string => checkpointKey(batch, chunk, "0123456789abcdef", 0);

  test("drops what nobody needs: of a chunk that is committed, of a batch that is gone", async () => {
    const store = memoryStore();
    const { batch } = await submit(store, text);
    await store.putIfAbsent(shardKey(batch, 0), bytes);
    for (const key of [checkpoint(batch), checkpoint("gone-0123456789abcdef")]) await disk.putIfAbsent(key, bytes);
    const before = [...store.objects.keys()];
    expect(await emptySpool(store, disk)).toBe(0);
    expect([...store.objects.keys()]).toEqual(before);
    expect(await spooledFiles()).toBe(0);
  });

  test("a store that goes away in the middle: the rest stays, and the next call puts it", async () => {
    const store = memoryStore();
    const { batch } = await submit(store, text);
    for (const chunk of [0, 1, 2]) await disk.putIfAbsent(checkpoint(batch, chunk), bytes);
    let puts = 0;
    const faulty = faultyStore(store, ({ kind }) => (kind === "put" && ++puts === 2 ? "after" : null), away);
    await expect(emptySpool(faulty, disk)).rejects.toMatchObject({ code: "E_STORE_UNAVAILABLE" });
    expect(await spooledFiles()).toBe(2);
    expect(await emptySpool(store, disk)).toBe(2);
    expect([0, 1, 2].every((chunk) => store.objects.has(checkpoint(batch, chunk)))).toBe(true);
    expect(await spooledFiles()).toBe(0);
  });
});
