import { getEventListeners } from "node:events";
import { gunzipSync, gzipSync } from "node:zlib";
import {
  AssayError,
  aloneKey,
  type BatchFile,
  chunkPartialPrefix,
  type ResultRow,
  readPartialKey,
  shardKey,
  startKey,
} from "@assay/core";
import { decodeShard, encodeShard } from "@assay/datasets";
import { type ManualClock, manualClock, memoryStore } from "@assay/testkit";
import { describe, expect, test } from "@jest/globals";
import type { BatchContext } from "../src/batch-context.ts";
import type { Clock } from "../src/clock.ts";
import { pinBatch } from "../src/pin-batch.ts";
import { openRowMemory } from "../src/row-memory.ts";
import { saveAtRows, saveEveryMs } from "../src/save-rows.ts";
import { scoreChunk } from "../src/score-chunk.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { type Changed, contextOf, pin, record, submit } from "./build-batch.ts";
import { type Befalls, faultyStore, type StoreOperation } from "./faulty-store.ts";
import { turn, until } from "./immediate-clock.ts";
import { type Ask, lifeOf, type Say, scriptedPool } from "./scripted-pool.ts";

type Memory = ReturnType<typeof memoryStore>;

/** One line of input with many principles makes one large chunk. */
const chunkOf = (rows: number): string =>
  `${record(0, { principles: Array.from({ length: rows }, (_, k) => `p${k}`) })}\n`;

/** A chunk that can be attempted several times, each attempt on a clock that a test moves and on engines of its own. */
async function open(text: string, changed: Changed = {}) {
  const store = memoryStore();
  const file = await submit(store, text, { maxBad: 1, ...changed });
  await pinBatch(store, file.batch, pin);
  const clock = manualClock();
  return { store, file, clock };
}

function attempt(
  { store, file, clock }: { store: Memory; file: BatchFile; clock: Clock },
  script: (ask: Ask) => Say,
  options: {
    context?: Partial<BatchContext>;
    befalls?: (operation: StoreOperation) => Befalls;
    error?: AssayError;
    slots?: number;
    origins?: readonly string[];
    before?: (ask: Ask) => Promise<void>;
    yes?: (row: string, draw: number) => number;
  } = {},
) {
  const drain = new AbortController();
  const stop = new AbortController();
  const abort = new AbortController();
  const signal = AbortSignal.any([stop.signal, abort.signal]);
  let away = 0;
  let refuse = (): void => {};
  const { slots = 1_000, yes, origins, before } = options;
  const pool = scriptedPool({
    script,
    slots,
    ...(yes === undefined ? {} : { yes }),
    ...(origins === undefined ? {} : { origins }),
    ...(before === undefined ? {} : { before }),
  });
  const faulty = faultyStore(
    store,
    options.befalls ?? (() => null),
    () => options.error ?? new AssayError("E_STORE_UNAVAILABLE", "played"),
  );
  const ended = scoreChunk(
    { store: faulty, spool: null, memory: openRowMemory(), pool, encodeShard, clock },
    contextOf(file, options.context),
    0,
    {
      drain: drain.signal,
      signal,
      abort: abort.signal,
      software: "0.0.0-test",
      onLined: () => {},
      onSpooled: () => {},
      onAway: () => {
        away += 1;
      },
      onRefused: (listener) => {
        refuse = listener;
      },
    },
  ).catch((error: unknown) => String((error as AssayError).code));
  const chats = (): string[] => pool.log.filter(({ kind }) => kind === "chat").map(({ row }) => row);
  return { drain, stop, abort, signal, ended, pool, chats, away: () => away, refuse: () => refuse() };
}

const partial = ({ objects }: Memory, file: BatchFile): string[] =>
  [...objects.keys()].filter((key) => key.startsWith(chunkPartialPrefix(file.batch, 0)) && key.endsWith(".gz")).sort();
const rowsIn = ({ objects }: Memory, key: string): number[] =>
  gunzipSync(objects.get(key) ?? new Uint8Array())
    .toString()
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => (JSON.parse(line) as ResultRow).row_index);
const shard = async ({ objects }: Memory, file: BatchFile): Promise<ResultRow[]> =>
  (await decodeShard(objects.get(shardKey(file.batch, 0)) ?? new Uint8Array())).rows;
const number = (ask: Ask): number => Number(/\|p(\d+)/.exec(ask.row)?.[1]);

describe("checkpoints: when", () => {
  test("after 64 rows, without the clock moving; none for the last rows, whose commit follows", async () => {
    const chunk = await open(chunkOf(200));
    const { ended } = attempt(chunk, () => "verdict", { slots: 10 });
    expect(await ended).toMatchObject({ kind: "committed", rows: 200, saved: 0 });
    const counts = partial(chunk.store, chunk.file).map((key) => rowsIn(chunk.store, key).length);
    // one per 64 rows at most, each taking all that has finished by then
    expect(counts.length).toBeLessThanOrEqual(3);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(saveAtRows);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(128);
  });

  test("a chunk that ends within 30 s and 64 rows costs none", async () => {
    const chunk = await open(chunkOf(64));
    expect(await attempt(chunk, () => "verdict").ended).toMatchObject({ kind: "committed" });
    expect(partial(chunk.store, chunk.file)).toEqual([]);
    expect(chunk.clock.sleepers()).toBe(0);
  });

  test("30 s after the first row that is not saved, however few they are, and again", async () => {
    const chunk = await open(chunkOf(6));
    let free = 2;
    const { stop, ended } = attempt(chunk, (ask) => (number(ask) < free ? "verdict" : "hang"));
    await (chunk.clock as ManualClock).untilSleeping(1);
    await turn();
    await chunk.clock.advance(saveEveryMs - 1);
    expect(partial(chunk.store, chunk.file)).toEqual([]);
    await chunk.clock.advance(1);
    await until(() => partial(chunk.store, chunk.file).length === 1);
    expect(rowsIn(chunk.store, partial(chunk.store, chunk.file)[0]!)).toEqual([0, 1]);
    // nothing new: nothing is put
    await chunk.clock.advance(10 * saveEveryMs);
    expect(partial(chunk.store, chunk.file)).toHaveLength(1);
    free = 6;
    stop.abort();
    expect(await ended).toBe("E_ABORTED");
    expect(partial(chunk.store, chunk.file)).toHaveLength(1);
    expect(chunk.clock.sleepers()).toBe(0);
  });
});

describe("checkpoints: the next attempt", () => {
  test("asks only the rest, and commits what one attempt would have committed, byte for byte but for times and asks", async () => {
    const text = `${record(0, { principles: Array.from({ length: 90 }, (_, k) => `p${k}`) })}\n`;
    const whole = await open(text);
    await attempt(whole, () => "verdict").ended;
    const chunk = await open(text);
    const first = attempt(chunk, (ask) => (number(ask) % 3 === 0 ? "hang" : "verdict"));
    await until(() => first.pool.inFlight() === 30);
    first.stop.abort();
    expect(await first.ended).toBe("E_ABORTED");
    const second = attempt(chunk, () => "verdict");
    expect(await second.ended).toMatchObject({ kind: "committed", rows: 90, ok: 90, saved: 60, ignored: 0 });
    expect(second.chats().map((row) => Number(/p(\d+)/.exec(row)?.[1]) % 3)).toEqual(Array(30).fill(0));
    expect(await shard(chunk.store, chunk.file)).toEqual(await shard(whole.store, whole.file));
    expect(await verifyBatch({ store: chunk.store, decodeShard }, chunk.file.batch)).toMatchObject({ broken: null });
  });

  test("a chunk whose every row is saved is committed without an engine", async () => {
    const chunk = await open(chunkOf(10));
    const isShard = ({ kind, key }: StoreOperation): Befalls =>
      kind === "put" && key.includes("/rewards/") ? "before" : null;
    const first = attempt(chunk, () => "verdict", { befalls: isShard });
    await until(() => first.away() > 0);
    first.stop.abort();
    expect(await first.ended).toBe("E_ABORTED");
    const second = attempt(chunk, () => "hang");
    expect(await second.ended).toMatchObject({ kind: "committed", saved: 10, tokens: 0 });
    expect(second.pool.log).toEqual([]);
  });

  test("of two results of one row the first in key order is taken, whoever wrote it", async () => {
    const chunk = await open(chunkOf(3));
    const half = (draw: number) =>
      attempt(chunk, (ask) => (number(ask) === 2 ? "hang" : "verdict"), { yes: () => draw });
    const a = half(0.9);
    await until(() => a.pool.inFlight() === 1);
    const b = half(0.2);
    await until(() => b.chats().length === 3);
    b.stop.abort();
    await b.ended;
    a.stop.abort();
    await a.ended;
    expect(partial(chunk.store, chunk.file)).toHaveLength(3);
    const third = attempt(chunk, () => "verdict");
    expect(await third.ended).toMatchObject({ kind: "committed", saved: 2 });
    // attempt ids count up: the first in key order is a's
    expect((await shard(chunk.store, chunk.file)).map(({ answer }) => answer).slice(0, 2)).toEqual([" Yes", " Yes"]);
  });

  test("what a wrong setting did to rows is not kept: they are asked again", async () => {
    const chunk = await open(chunkOf(12));
    const kinds: Say[] = ["rejected", "server_error", "too_long", { completion: { finishReason: "length" } }];
    const first = attempt(chunk, (ask) => (number(ask) === 11 ? "hang" : (kinds[number(ask) % 4] ?? "verdict")));
    // the pauses between the asks of a row that fails
    while (first.pool.inFlight() !== 1) await chunk.clock.advance(20_000);
    first.stop.abort();
    await first.ended;
    const second = attempt(chunk, () => "verdict");
    expect(await second.ended).toMatchObject({ kind: "committed", saved: 5, ok: 7 });
    const statuses = (await shard(chunk.store, chunk.file)).map(({ status }) => status);
    expect(statuses.slice(0, 4)).toEqual(["ok", "ok", "too_long", "truncated"]);
  });

  test("rows that fail alike beside saved ones still stop the batch", async () => {
    const chunk = await open(chunkOf(40));
    const first = attempt(chunk, (ask) => (number(ask) < 20 ? "verdict" : "hang"));
    await until(() => first.pool.inFlight() === 20);
    first.stop.abort();
    await first.ended;
    const second = attempt(chunk, () => "rejected");
    expect(await second.ended).toMatchObject({
      kind: "failed-as-a-whole",
      reason: expect.stringMatching(/all 20 asked rows/),
    });
  });
});

describe("checkpoints: what is never trusted", () => {
  async function saved() {
    const chunk = await open(chunkOf(5));
    const first = attempt(chunk, (ask) => (number(ask) === 4 ? "hang" : "verdict"));
    await until(() => first.pool.inFlight() === 1);
    first.stop.abort();
    await first.ended;
    const key = partial(chunk.store, chunk.file)[0] ?? "";
    return { ...chunk, key, text: gunzipSync(chunk.store.objects.get(key) ?? "").toString() };
  }

  const spoilt: [string, (text: string) => Uint8Array][] = [
    ["torn", (text) => gzipSync(text).subarray(0, -9)],
    ["no gzip", (text) => Buffer.from(text)],
    ["of another batch", (text) => gzipSync(text.replace(/"batch_sha256":"./, '"batch_sha256":"_'))],
    ["with a row of another chunk", (text) => gzipSync(text.replace('"row_index":3', '"row_index":5'))],
    ["with another row's id", (text) => gzipSync(text.replace(/"id":"[^"]*"/, '"id":"other"'))],
    ["with an invented reward", (text) => gzipSync(text.replace(/"reward":-?[\d.]+/, '"reward":50'))],
    ["with a reward where there is none", (text) => gzipSync(text.replace('"status":"ok"', '"status":"truncated"'))],
  ];
  test.each(spoilt)("one that is %s counts and is not used", async (_name, spoil) => {
    const chunk = await saved();
    const bytes = spoil(chunk.text);
    expect(Buffer.compare(bytes, gzipSync(chunk.text))).not.toBe(0);
    chunk.store.objects.set(chunk.key, bytes);
    const second = attempt(chunk, () => "verdict");
    expect(await second.ended).toMatchObject({ kind: "committed", ok: 5, saved: 0, ignored: 1 });
    expect(second.chats()).toHaveLength(5);
  });

  test("one of another pin: its rows are asked again", async () => {
    const chunk = await saved();
    const second = attempt(chunk, () => "verdict", { context: { pin: { ...pin, revision: "v2" } } });
    expect(await second.ended).toMatchObject({ kind: "committed", saved: 0, ignored: 1 });
  });

  test("strangers' files are no checkpoints, and what was saved is not removed", async () => {
    const chunk = await saved();
    chunk.store.objects.set(`${chunk.file.batch}/partial/000000/notes.txt`, Buffer.from("hello"));
    expect(await attempt(chunk, () => "verdict").ended).toMatchObject({ saved: 4, ignored: 0 });
    expect(partial(chunk.store, chunk.file)).toEqual([chunk.key]);
    const report = await verifyBatch({ store: chunk.store, decodeShard }, chunk.file.batch);
    expect(report.broken).toBeNull();
  });
});

describe("checkpoints: a store that is away, and the end", () => {
  const ofPartial =
    (befall: Befalls) =>
    ({ kind, key }: StoreOperation): Befalls =>
      kind === "put" && key.endsWith(".jsonl.gz") ? befall : null;

  test.each(["before", "after"] as const)(
    "a put that fails (%s it took place) is done again later; no row is lost",
    async (when) => {
      const chunk = await open(chunkOf(4));
      let failures = 2;
      const first = attempt(chunk, (ask) => (number(ask) < 2 ? "verdict" : "hang"), {
        befalls: (operation) => (ofPartial(when)(operation) !== null && failures-- > 0 ? when : null),
      });
      await until(() => first.pool.inFlight() === 2);
      for (let i = 0; i < 3; i += 1) {
        await chunk.clock.untilSleeping(1);
        await chunk.clock.advance(saveEveryMs);
        await until(() => first.away() === Math.min(i + 1, 2));
      }
      await until(() => partial(chunk.store, chunk.file).length === (when === "after" ? 3 : 1));
      first.abort.abort();
      expect(await first.ended).toBe("E_ABORTED");
      expect(await attempt(chunk, () => "verdict").ended).toMatchObject({ kind: "committed", saved: 2 });
    },
  );

  test("a refusal that will not pass ends the chunk: nobody believes in checkpoints that are not there", async () => {
    const chunk = await open(chunkOf(100));
    const first = attempt(chunk, (ask) => (number(ask) < 64 ? "verdict" : "hang"), {
      befalls: ofPartial("before"),
      error: new AssayError("E_DENIED", "played"),
    });
    expect(await first.ended).toBe("E_DENIED");
    expect(first.pool.inFlight()).toBe(0);
  });

  test("aborted at once: nothing more is put", async () => {
    const chunk = await open(chunkOf(4));
    const first = attempt(chunk, (ask) => (number(ask) < 2 ? "verdict" : "hang"));
    await until(() => first.pool.inFlight() === 2);
    first.abort.abort();
    expect(await first.ended).toBe("E_ABORTED");
    expect(partial(chunk.store, chunk.file)).toEqual([]);
  });
});

describe("markers of an attempt", () => {
  const markers = ({ objects }: Memory, file: BatchFile): string[] =>
    [...objects.keys()].flatMap((key) => {
      const found = readPartialKey(key);
      return found === null || found.kind === "rows" || !key.startsWith(file.batch) ? [] : [found.kind];
    });

  test(".start stands before the first row is sent, and the shard is the end", async () => {
    const chunk = await open(chunkOf(5));
    const seen: string[][] = [];
    const { ended } = attempt(chunk, () => {
      seen.push(markers(chunk.store, chunk.file));
      return "verdict";
    });
    expect(await ended).toMatchObject({ kind: "committed" });
    expect(seen).toEqual(Array(10).fill(["start"]));
    expect(markers(chunk.store, chunk.file)).toEqual(["start"]);
  });

  test("a chunk that waits for an engine has not begun: who is killed there charges nobody", async () => {
    const chunk = await open(chunkOf(5));
    const { stop, ended, pool } = attempt(chunk, () => "verdict", { slots: 0 });
    await until(() => pool.waiting === 5);
    stop.abort();
    expect(await ended).toBe("E_ABORTED");
    expect(markers(chunk.store, chunk.file)).toEqual([]);
  });

  test.each(["drain", "stop", "abort"] as const)("%s: .end, since nothing died", async (how) => {
    const chunk = await open(chunkOf(5));
    const one = attempt(chunk, (ask) => (number(ask) === 1 && how !== "drain" ? "hang" : "verdict"), { slots: 2 });
    await until(() => one.pool.log.length > 0);
    one[how].abort();
    expect(await one.ended).toBe("E_ABORTED");
    expect(markers(chunk.store, chunk.file)).toEqual(["start", "end"]);
  });

  test("failed as a whole and fenced: .end, too", async () => {
    for (const say of ["rejected", "denied"] as const) {
      const chunk = await open(chunkOf(20));
      await attempt(chunk, () => say).ended;
      expect(markers(chunk.store, chunk.file)).toEqual(["start", "end"]);
    }
  });
});

describe("a lease that is refused", () => {
  async function hanging() {
    const chunk = await open(chunkOf(4));
    const one = attempt(chunk, (ask) => (number(ask) < 2 ? "verdict" : "hang"));
    await until(() => one.pool.inFlight() === 2);
    return { chunk, one };
  }
  const turns = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 1) await turn();
  };

  test("by a wiped Redis: nobody else has begun, so it goes on and commits", async () => {
    const chunk = await open(chunkOf(4));
    const one = attempt(chunk, () => "verdict", { slots: 1 });
    await until(() => one.pool.log.length === 3);
    one.refuse();
    expect(await one.ended).toMatchObject({ kind: "committed", rows: 4 });
    expect(one.pool.log).toHaveLength(8);
  });

  test("with a younger attempt in the store: saves what has finished, stops, and the younger one goes on", async () => {
    const { chunk, one } = await hanging();
    const two = attempt(chunk, () => "hang");
    // the older one has not ended: it counts as a death
    await until(() => two.pool.inFlight() === 1);
    one.refuse();
    expect(await one.ended).toEqual({ kind: "overtaken" });
    expect(partial(chunk.store, chunk.file)).toHaveLength(1);
    // the younger one's lease is refused, too: the older one that it knew of is no reason to stop
    two.refuse();
    await turns(20);
    expect(two.pool.inFlight()).toBe(1);
    two.stop.abort();
    await two.ended;
    expect(await attempt(chunk, () => "verdict").ended).toMatchObject({ kind: "committed", saved: 2 });
  });

  test("looks again at each checkpoint: a younger attempt that came later stops it then", async () => {
    const { chunk, one } = await hanging();
    one.refuse();
    await turns(20);
    expect(one.pool.inFlight()).toBe(2);
    const two = attempt(chunk, () => "hang");
    // the older one has not ended: it counts as a death
    await until(() => two.pool.inFlight() === 1);
    await chunk.clock.advance(saveEveryMs);
    expect(await one.ended).toEqual({ kind: "overtaken" });
    two.stop.abort();
    await two.ended;
  });

  test("with the shard there: stops", async () => {
    const { chunk, one } = await hanging();
    chunk.store.objects.set(shardKey(chunk.file.batch, 0), new Uint8Array(1));
    one.refuse();
    expect(await one.ended).toEqual({ kind: "overtaken" });
  });

  test("a store that does not answer is no reason to stop", async () => {
    const chunk = await open(chunkOf(4));
    let away = false;
    const one = attempt(chunk, (ask) => (number(ask) < 2 ? "verdict" : "hang"), {
      befalls: () => (away ? "before" : null),
    });
    await until(() => one.pool.inFlight() === 2);
    const two = attempt(chunk, () => "hang");
    // the older one has not ended: it counts as a death
    await until(() => two.pool.inFlight() === 1);
    away = true;
    one.refuse();
    await turns(20);
    expect(one.pool.inFlight()).toBe(2);
    one.abort.abort();
    two.abort.abort();
    await Promise.all([one.ended, two.ended]);
  });
});

describe("poison", () => {
  const failed = async (chunk: { store: Memory; file: BatchFile }) =>
    (await shard(chunk.store, chunk.file))
      .filter(({ status }) => status !== "ok")
      .map(({ row_index, status, reward, error_code }) => [row_index, status, reward, error_code]);

  test.each([
    [256, 0],
    [256, 131],
    [256, 255],
    [16, 8],
    [1, 0],
  ])("of %i rows row %i kills every engine: quarantined within 5 deaths, the others are ok", async (rows, guilty) => {
    const chunk = await open(chunkOf(rows));
    const one = attempt(chunk, (ask) => (number(ask) === guilty ? "dies" : "verdict"), { slots: 64 });
    expect(await one.ended).toMatchObject({ kind: "committed", rows, ok: rows - 1 });
    expect(one.pool.deaths()).toBeLessThanOrEqual(5);
    expect(await failed(chunk)).toEqual([[guilty, "quarantined", null, "E_QUARANTINED"]]);
    expect(await verifyBatch({ store: chunk.store, decodeShard }, chunk.file.batch)).toMatchObject({ broken: null });
    // of the others few go alone: those that were in flight at the third death
    const lone = [...chunk.store.objects.keys()].filter((key) => key.includes(".alone-"));
    expect(lone.length).toBeLessThanOrEqual(8);
  });

  test("a result of a lone row is in the store before the next one is sent", async () => {
    const chunk = await open(chunkOf(16));
    const unsaved: string[] = [];
    let lastLone: number | null = null;
    const one = attempt(chunk, (ask) => {
      const keys = [...chunk.store.objects.keys()];
      const isAlone = keys.some((key) => key.includes(`.alone-${number(ask)}-`));
      if (ask.kind === "chat" && isAlone && lastLone !== null && lastLone !== number(ask) && lastLone !== 5) {
        const saved = partial(chunk.store, chunk.file).flatMap((key) => rowsIn(chunk.store, key));
        if (!saved.includes(lastLone)) unsaved.push(ask.row);
      }
      if (isAlone) lastLone = number(ask);
      return number(ask) === 5 ? "dies" : "verdict";
    });
    expect(await one.ended).toMatchObject({ kind: "committed", ok: 15 });
    expect(lastLone).not.toBeNull();
    expect(unsaved).toEqual([]);
  });

  test("two rows that kill: both are quarantined, no other", async () => {
    const chunk = await open(chunkOf(64));
    const one = attempt(chunk, (ask) => ([7, 40].includes(number(ask)) ? "dies" : "verdict"), { slots: 64 });
    expect(await one.ended).toMatchObject({ kind: "committed", ok: 62 });
    expect((await failed(chunk)).map(([row, status]) => [row, status])).toEqual([
      [7, "quarantined"],
      [40, "quarantined"],
    ]);
    expect(one.pool.deaths()).toBeLessThanOrEqual(8);
  });

  test("what an engine did to a lone row is no death and no result: it is asked again", async () => {
    const chunk = await open(chunkOf(20));
    const rejected = new Set<string>();
    const isAlone = (ask: Ask): boolean =>
      [...chunk.store.objects.keys()].some((key) => key.includes(`.alone-${number(ask)}-`));
    const one = attempt(chunk, (ask) => {
      if (number(ask) === 3) return "dies";
      if (!isAlone(ask) || rejected.has(ask.row)) return "verdict";
      rejected.add(ask.row);
      return "rejected";
    });
    expect(await one.ended).toMatchObject({ kind: "committed", ok: 19 });
    expect(rejected.size).toBeGreaterThan(0);
    expect((await failed(chunk)).map(([row]) => row)).toEqual([3]);
  });

  test("samples of a row that may kill go one after another, and its deaths are one row's", async () => {
    const chunk = await open(chunkOf(16), { batch: { samples: 3 } });
    const together: number[] = [];
    const running = new Map<string, number>();
    const isNamed = (ask: Ask): boolean =>
      [...chunk.store.objects.keys()].some((key) => key.endsWith(`.among-${number(ask)}`));
    const one = attempt(chunk, (ask) => (number(ask) === 5 ? "dies" : "verdict"), {
      origins: ["http://a", "http://b", "http://c"],
      before: async (ask) => {
        running.set(ask.row, (running.get(ask.row) ?? 0) + 1);
        await turn();
        if (isNamed(ask)) together.push(running.get(ask.row) ?? 0);
        running.set(ask.row, (running.get(ask.row) ?? 1) - 1);
      },
    });
    expect(await one.ended).toMatchObject({ kind: "committed", rows: 16, ok: 15 });
    expect((await failed(chunk)).map(([row, status]) => [row, status])).toEqual([[5, "quarantined"]]);
    // at first the three samples meet three engines; from then on one death each
    expect(one.pool.deaths()).toBeLessThanOrEqual(3 + 3);
    expect(Math.max(...together)).toBe(1);
  });
});

describe("a connection that is cut while its engine lives", () => {
  test.each([3, 50])("%i times is no death: the row is asked again, and nothing is narrowed", async (most) => {
    const chunk = await open(chunkOf(4));
    let cuts = 0;
    const one = attempt(chunk, (ask) => {
      if (number(ask) !== 1 || cuts === most) return "verdict";
      cuts += 1;
      return "lost";
    });
    expect(await one.ended).toMatchObject({ kind: "committed", rows: 4, ok: 4 });
    const names = [...chunk.store.objects.keys()].filter((key) => key.includes("/partial/"));
    expect(names).toEqual([expect.stringMatching(/\.start$/)]);
  });
});

describe("an engine that died before a row came", () => {
  test("is no death of that row, alone or not, however often", async () => {
    const chunk = await open(chunkOf(1));
    await chunk.store.putIfAbsent(startKey(chunk.file.batch, 0, "f".repeat(16)), new Uint8Array());
    let left = 9;
    const one = attempt(chunk, () => (left-- > 0 ? "unreached" : "verdict"));
    expect(await one.ended).toMatchObject({ kind: "committed", ok: 1 });
    const starts = [...chunk.store.objects.keys()].filter((key) => key.endsWith(".start"));
    expect(starts).toHaveLength(2);
  });

  test("is one of a row whose first request it has answered", async () => {
    const chunk = await open(chunkOf(16));
    const one = attempt(chunk, (ask) =>
      number(ask) !== 5 ? "verdict" : ask.kind === "chat" ? "verdict" : "dies-before",
    );
    expect(await one.ended).toMatchObject({ kind: "committed", ok: 15 });
    expect(one.pool.deaths()).toBeLessThanOrEqual(5);
  });
});

/** Whether Node has taken the listeners of a signal for a leak: it warns the real process, which is not the tests'. */
function hasWarned(signal: AbortSignal): unknown {
  const noted = Object.getOwnPropertySymbols(signal).find(({ description }) =>
    /ListenersWarned/.test(description ?? ""),
  );
  return noted === undefined ? null : (signal as unknown as Record<symbol, unknown>)[noted];
}

test("rows that wait for a store to name them are no leak at the chunk's signal: none is told, and none is left", async () => {
  const chunk = await open(chunkOf(256));
  await chunk.store.putIfAbsent(startKey(chunk.file.batch, 0, "f".repeat(16)), new Uint8Array());
  let away = true;
  const one = attempt(chunk, () => "verdict", {
    slots: 64,
    befalls: ({ key }) => (away && key.includes(".among-") ? "before" : null),
  });
  await chunk.clock.untilSleeping(32);
  expect(getEventListeners(one.signal, "abort").length).toBeGreaterThanOrEqual(32);
  // a Node that keeps it elsewhere tells nothing
  expect(hasWarned(one.signal)).not.toBe(true);
  away = false;
  await chunk.clock.advance(1_000);
  expect(await one.ended).toMatchObject({ kind: "committed", ok: 256 });
  expect(getEventListeners(one.signal, "abort")).toEqual([]);
});

describe("an attempt that lives beside another", () => {
  /** Whoever begins here finds one row, and one death of another worker. */
  async function lone() {
    const chunk = await open(chunkOf(1));
    const { batch } = chunk.file;
    await chunk.store.putIfAbsent(startKey(batch, 0, "f".repeat(16)), new Uint8Array());
    return chunk;
  }
  const aloneOf = ({ objects }: Memory): number => [...objects.keys()].filter((key) => key.includes(".alone-")).length;

  test("makes way when it is alone with its row: any number of wipes condemn nobody", async () => {
    const chunk = await lone();
    const living = [];
    for (let n = 1; n <= 5; n += 1) {
      living.push(attempt(chunk, () => "hang", { origins: [`http://engine-${n}`] }));
      for (let turns = 0; turns < 20; turns += 1) await turn();
    }
    // from the third on they wait and see whether the ones before are alive
    expect(aloneOf(chunk.store)).toBe(2);
    const last = attempt(chunk, () => "verdict");
    for (let turns = 0; turns < 20; turns += 1) await turn();
    for (let n = 0; n < 10; n += 1) await chunk.clock.advance(30_000);
    expect(await Promise.all(living.map(({ ended }) => ended))).toEqual(Array(5).fill({ kind: "overtaken" }));
    expect(await last.ended).toMatchObject({ kind: "committed", ok: 1 });
  });

  test("who died while we stood in line is known before the first row is sent: start first, then look", async () => {
    const chunk = await open(chunkOf(16));
    const foreign = startKey(chunk.file.batch, 0, "f".repeat(16));
    const one = attempt(chunk, () => "hang", {
      befalls: ({ kind, key }) => {
        if (kind === "put" && key.endsWith(".start")) chunk.store.objects.set(foreign, new Uint8Array());
        return null;
      },
    });
    await until(() => one.pool.inFlight() > 0 && one.chats().length > 0);
    for (let turns = 0; turns < 20; turns += 1) await turn();
    expect(one.chats()).toHaveLength(2);
    const starts = [...chunk.store.objects.keys()].filter((key) => key.endsWith(".start"));
    expect(starts).toHaveLength(2);
    one.stop.abort();
    expect(await one.ended).toBe("E_ABORTED");
  });

  /** So many attempts that were killed while they were alone with the row, each on an engine whose process is `life`. */
  async function killed(lives: readonly string[]) {
    const chunk = await lone();
    for (const [n, life] of lives.entries()) {
      const id = `${n}`.repeat(16);
      await chunk.store.putIfAbsent(startKey(chunk.file.batch, 0, id), new Uint8Array());
      await chunk.store.putIfAbsent(aloneKey(chunk.file.batch, 0, id, 0, life), new Uint8Array());
    }
    return chunk;
  }
  const own = lifeOf("http://engine-a:8000", 0);

  test.each([[Array(5).fill(own)], [Array(5).fill("0000dead")], [[own, "0000dead", own]]])(
    "workers that were killed beside an engine that lived on condemn no row: %j",
    async (lives) => {
      const chunk = await killed(lives);
      // at once: nobody has to be waited for
      expect(await attempt(chunk, () => "verdict").ended).toMatchObject({ kind: "committed", ok: 1 });
      const named = [...chunk.store.objects.keys()].filter((key) => key.endsWith(`.alone-0-${own}`));
      expect(named.length).toBe(lives.filter((life) => life === own).length + 1);
    },
  );

  test.each([[["0000dead", "0001dead"]], [Array(6).fill(own)]])(
    "engines that died twice, or worker after worker, do: %j",
    async (lives) => {
      const chunk = await killed(lives);
      const one = attempt(chunk, () => "verdict");
      await chunk.clock.untilSleeping(1);
      await chunk.clock.advance(90_000);
      expect(await one.ended).toMatchObject({ kind: "committed", ok: 0 });
      expect(one.pool.log).toEqual([]);
    },
  );

  test("two that died alone with the row are waited for, and then it is asked no more", async () => {
    const chunk = await lone();
    for (const id of ["d", "e"]) {
      await chunk.store.putIfAbsent(startKey(chunk.file.batch, 0, id.repeat(16)), new Uint8Array());
      await chunk.store.putIfAbsent(aloneKey(chunk.file.batch, 0, id.repeat(16), 0, null), new Uint8Array());
    }
    const one = attempt(chunk, () => "verdict");
    await chunk.clock.untilSleeping(1);
    await chunk.clock.advance(89_999);
    expect(partial(chunk.store, chunk.file)).toEqual([]);
    expect(chunk.store.objects.has(shardKey(chunk.file.batch, 0))).toBe(false);
    await chunk.clock.advance(1);
    expect(await one.ended).toMatchObject({ kind: "committed", rows: 1, ok: 0 });
    expect(one.pool.log).toEqual([]);
  });
});
