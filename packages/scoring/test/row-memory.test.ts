import { AssayError, shardKey } from "@assay/core";
import { decodeShard, encodeShard } from "@assay/datasets";
import { type ManualClock, manualClock, memoryStore } from "@assay/testkit";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { emptySpool } from "../src/empty-spool.ts";
import { pinBatch } from "../src/pin-batch.ts";
import { openRowMemory, type RowMemory } from "../src/row-memory.ts";
import { openRowsAhead } from "../src/rows-ahead.ts";
import { scoreChunk } from "../src/score-chunk.ts";
import { openSpool } from "../src/spool.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { contextOf, never, pin, record, submit } from "./build-batch.ts";
import { faultyStore } from "./faulty-store.ts";
import { scriptedPool } from "./scripted-pool.ts";

const chunks = 3;
const rowsOfChunk = 40;
const rows = chunks * rowsOfChunk;
const principles = Array.from({ length: rowsOfChunk }, (_, k) => `p${k}`);
const text = Array.from({ length: chunks }, (_, k) => `${record(k, { principles })}\n`).join("");

/** The same, with the bytes that only memory holds, and the most that they ever were. */
function measured(memory: RowMemory): RowMemory & { bytes: number; peak: number; largest: number } {
  const seen = {
    ...memory,
    bytes: 0,
    peak: 0,
    largest: 0,
    hold: (row: Parameters<RowMemory["hold"]>[0]) => {
      const held = memory.hold(row);
      seen.bytes += held.bytes;
      seen.peak = Math.max(seen.peak, seen.bytes);
      seen.largest = Math.max(seen.largest, held.bytes);
      return held;
    },
    noteSpooled: (held: Parameters<RowMemory["noteSpooled"]>[0]) => {
      seen.bytes -= bytesOf(held);
      memory.noteSpooled(held);
    },
    release: (held: Parameters<RowMemory["release"]>[0]) => {
      seen.bytes -= bytesOf(held);
      memory.release(held);
    },
  };
  return seen;
}

const bytesOf = (held: Parameters<RowMemory["release"]>[0]): number =>
  held.reduce((sum, row) => sum + (row.isSpooled ? 0 : row.bytes), 0);

/** Three chunks of 40 rows under one bound; the store is away from the `asksBefore`-th request on, until it is back. */
async function scoring(options: { maxBytes: number; diskBytes: number; slots: number; asksBefore: number }) {
  const store = memoryStore();
  const file = await submit(store, text);
  await pinBatch(store, file.batch, pin);
  let isAway = false;
  const pool = scriptedPool({
    slots: options.slots,
    script: () => {
      isAway ||= pool.log.length === options.asksBefore;
      return "verdict";
    },
  });
  const faulty = faultyStore(
    store,
    () => (isAway ? "before" : null),
    () => new AssayError("E_STORE_UNAVAILABLE", "played"),
  );
  const memory = measured(openRowMemory(options.maxBytes));
  const disk = memoryStore();
  const spool = openSpool(disk, options.diskBytes);
  const stop = new AbortController();
  const clock = manualClock();
  const ports = { store: faulty, spool, memory, ahead: openRowsAhead(clock), pool, encodeShard, clock };
  const ended = Promise.all(
    file.chunks.map((_, chunk) =>
      scoreChunk(ports, contextOf(file), chunk, {
        drain: stop.signal,
        signal: stop.signal,
        abort: never,
        software: "0.0.0-test",
        onLined: () => {},
        onAway: () => {},
        onSpooled: () => {},
        onRefused: () => {},
      }).then(
        ({ kind }) => kind,
        (error: AssayError) => error.code,
      ),
    ),
  );
  const asked = (): string[] => pool.log.filter(({ kind }) => kind === "chat").map(({ row }) => row);
  const back = (): void => {
    isAway = false;
  };
  return { store, disk, file, memory, clock, ended, stop, asked, back };
}

/** Half a minute after the other, so that what waits for the store asks it again, until `isOver`. */
async function passTime(clock: ManualClock, isOver: () => boolean): Promise<void> {
  while (!isOver()) await clock.advance(30_000);
}

/** Some minutes, and whatever they take of this machine's time until no request is sent any more. */
async function untilStill(clock: ManualClock, asked: () => readonly string[]): Promise<void> {
  let rounds = 0;
  for (let before = -1; rounds < 6; rounds = asked().length === before ? rounds + 1 : 0) {
    before = asked().length;
    await clock.advance(30_000);
  }
}

async function atTheEnd<T>(clock: ManualClock, ended: Promise<T>): Promise<T> {
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  await passTime(clock, () => isOver);
  return ended;
}

describe("finished rows that nothing durable holds", () => {
  test("are never more than the bound and what was in flight; once the store is back all come out, none asked twice", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          maxBytes: fc.integer({ min: 1, max: 60_000 }),
          diskBytes: fc.constantFrom(0, 2_000, 6_000),
          slots: fc.integer({ min: 1, max: 24 }),
          asksBefore: fc.integer({ min: 1, max: 200 }),
        }),
        async (options) => {
          const { store, disk, file, memory, clock, ended, asked, back } = await scoring(options);
          await untilStill(clock, asked);
          // a row that ends gives its slot on a moment before it is counted
          expect(memory.peak).toBeLessThan(options.maxBytes + 2 * options.slots * memory.largest);
          back();
          expect(await atTheEnd(clock, ended)).toEqual(Array(chunks).fill("committed"));
          expect(asked()).toHaveLength(rows);
          expect(new Set(asked()).size).toBe(rows);
          const report = await verifyBatch({ store, decodeShard }, file.batch);
          expect(report).toMatchObject({ broken: null, doneRows: rows, status: { ok: rows } });
          expect([memory.bytes, memory.count()]).toEqual([0, { disk: 0, memory: 0 }]);
          // what stood on the disk is of no use any more
          expect(await emptySpool(store, disk)).toBe(0);
          expect(disk.objects.size).toBe(0);
        },
      ),
      { numRuns: 10 },
    );
  });

  test("with a full disk, and a bound of some ten rows, keep the rows from being sent that had no slot when the store went away", async () => {
    // each chunk has begun by then
    const options = { maxBytes: 10_000, diskBytes: 0, slots: 84, asksBefore: 90 };
    const { memory, clock, ended, asked, back } = await scoring(options);
    await untilStill(clock, asked);
    expect(memory.isFull()).toBe(true);
    expect(asked().length).toBeLessThan(rows);
    back();
    expect(await atTheEnd(clock, ended)).toEqual(Array(chunks).fill("committed"));
  });

  test("are no reason to wait once the disk has them: every row of the chunks at hand is sent", async () => {
    // each chunk has begun by then
    const options = { maxBytes: 1, diskBytes: 1_000_000, slots: 90, asksBefore: 100 };
    const { store, file, memory, clock, ended, asked, stop } = await scoring(options);
    await passTime(clock, () => memory.count().disk === rows);
    expect(asked()).toHaveLength(rows);
    expect(file.chunks.some((_, chunk) => store.objects.has(shardKey(file.batch, chunk)))).toBe(false);
    expect(memory.count()).toEqual({ disk: rows, memory: 0 });
    stop.abort();
    expect(await atTheEnd(clock, ended)).toEqual(Array(chunks).fill("E_ABORTED"));
    expect(memory.count()).toEqual({ disk: 0, memory: 0 });
  });

  test("a drain does not wait for room", async () => {
    const options = { maxBytes: 1, diskBytes: 0, slots: 84, asksBefore: 90 };
    const { memory, clock, ended, asked, stop } = await scoring(options);
    await untilStill(clock, asked);
    expect(memory.isFull()).toBe(true);
    stop.abort();
    expect(await atTheEnd(clock, ended)).toEqual(Array(chunks).fill("E_ABORTED"));
    expect(asked().length).toBeLessThan(rows);
  });
});
