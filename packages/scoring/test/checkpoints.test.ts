import { gunzipSync, gzipSync } from "node:zlib";
import { AssayError } from "@assay/core";
import { decodeShard } from "@assay/datasets";
import type { ManualClock } from "@assay/testkit";
import { describe, expect, test } from "@jest/globals";
import { saveAtRows, saveEveryMs } from "../src/save-rows.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { attempt, chunkOf, number, openChunk, partial, rowsIn, shard } from "./attempt-chunk.ts";
import { pin, record } from "./build-batch.ts";
import type { Befalls, StoreOperation } from "./faulty-store.ts";
import { turn, until } from "./immediate-clock.ts";
import type { Ask, Say } from "./scripted-pool.ts";

describe("checkpoints: when", () => {
  test("after 64 rows, without the clock moving; none for the last rows, whose commit follows", async () => {
    const chunk = await openChunk(chunkOf(200));
    const { ended } = attempt(chunk, () => "verdict", { slots: 10 });
    expect(await ended).toMatchObject({ kind: "committed", rows: 200, saved: 0 });
    const counts = partial(chunk.store, chunk.file).map((key) => rowsIn(chunk.store, key).length);
    // one per 64 rows at most, each taking all that has finished by then
    expect(counts.length).toBeLessThanOrEqual(3);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(saveAtRows);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(128);
  });

  test("a chunk that ends within 30 s and 64 rows costs none", async () => {
    const chunk = await openChunk(chunkOf(64));
    expect(await attempt(chunk, () => "verdict").ended).toMatchObject({ kind: "committed" });
    expect(partial(chunk.store, chunk.file)).toEqual([]);
    expect(chunk.clock.sleepers()).toBe(0);
  });

  test("30 s after the first row that is not saved, however few they are, and again", async () => {
    const chunk = await openChunk(chunkOf(6));
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
    const whole = await openChunk(text);
    await attempt(whole, () => "verdict").ended;
    const chunk = await openChunk(text);
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
    const chunk = await openChunk(chunkOf(10));
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
    const chunk = await openChunk(chunkOf(3));
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
    const chunk = await openChunk(chunkOf(12));
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
    const chunk = await openChunk(chunkOf(40));
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

describe("a chunk of which a third always fails", () => {
  test("is committed as it is when it was stopped before its commit, as it is when it was not", async () => {
    const third = (ask: Ask): Say => (number(ask) % 3 === 0 ? "rejected" : "verdict");
    const straight = await openChunk(chunkOf(48));
    expect(await attempt(straight, third).ended).toMatchObject({ kind: "committed", ok: 32 });
    const chunk = await openChunk(chunkOf(48));
    const first = attempt(chunk, (ask) => (number(ask) === 45 ? "hang" : third(ask)));
    await until(() => first.pool.inFlight() === 1);
    first.stop.abort();
    await first.ended;
    // what failed is asked again, and most of what is asked now fails alike
    expect(await attempt(chunk, third).ended).toMatchObject({ kind: "committed", ok: 32 });
  });
});

describe("checkpoints: what is never trusted", () => {
  async function saved() {
    const chunk = await openChunk(chunkOf(5));
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
      const chunk = await openChunk(chunkOf(4));
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
    const chunk = await openChunk(chunkOf(100));
    const first = attempt(chunk, (ask) => (number(ask) < 64 ? "verdict" : "hang"), {
      befalls: ofPartial("before"),
      error: new AssayError("E_DENIED", "played"),
    });
    expect(await first.ended).toBe("E_DENIED");
    expect(first.pool.inFlight()).toBe(0);
  });

  test("aborted at once: nothing more is put", async () => {
    const chunk = await openChunk(chunkOf(4));
    const first = attempt(chunk, (ask) => (number(ask) < 2 ? "verdict" : "hang"));
    await until(() => first.pool.inFlight() === 2);
    first.abort.abort();
    expect(await first.ended).toBe("E_ABORTED");
    expect(partial(chunk.store, chunk.file)).toEqual([]);
  });
});
