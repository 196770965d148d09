import { getEventListeners } from "node:events";
import { type BatchFile, readPartialKey, shardKey, startKey } from "@assay/core";
import { describe, expect, test } from "@jest/globals";
import { saveEveryMs } from "../src/save-rows.ts";
import { attempt, chunkOf, type Memory, number, openChunk, partial } from "./attempt-chunk.ts";
import { turns, until } from "./immediate-clock.ts";

/** What attempts say below partial/, when, and what others make of it. */

describe("markers of an attempt", () => {
  const markers = ({ objects }: Memory, file: BatchFile): string[] =>
    [...objects.keys()].flatMap((key) => {
      const found = readPartialKey(key);
      return found === null || found.kind === "rows" || !key.startsWith(file.batch) ? [] : [found.kind];
    });

  test(".start stands before the first row is sent, and the shard is the end", async () => {
    const chunk = await openChunk(chunkOf(5));
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
    const chunk = await openChunk(chunkOf(5));
    const { stop, ended } = attempt(chunk, () => "verdict", { slots: 0 });
    await turns(20);
    stop.abort();
    expect(await ended).toBe("E_ABORTED");
    expect(markers(chunk.store, chunk.file)).toEqual([]);
  });

  test.each(["drain", "stop", "abort"] as const)("%s: .end, since nothing died", async (how) => {
    const chunk = await openChunk(chunkOf(5));
    const one = attempt(chunk, (ask) => (number(ask) === 1 && how !== "drain" ? "hang" : "verdict"), { slots: 2 });
    await until(() => one.pool.log.length > 0);
    one[how].abort();
    expect(await one.ended).toBe("E_ABORTED");
    expect(markers(chunk.store, chunk.file)).toEqual(["start", "end"]);
  });

  test("failed as a whole and fenced: .end, too", async () => {
    for (const say of ["rejected", "denied"] as const) {
      const chunk = await openChunk(chunkOf(20));
      const one = attempt(chunk, () => say);
      await until(() => one.pool.log.length === 20);
      // a gateway may refuse for some seconds
      if (say === "denied") await chunk.clock.advance(16_000);
      await one.ended;
      expect(markers(chunk.store, chunk.file)).toEqual(["start", "end"]);
    }
  });
});

describe("a lease that is refused", () => {
  async function hanging() {
    const chunk = await openChunk(chunkOf(4));
    const one = attempt(chunk, (ask) => (number(ask) < 2 ? "verdict" : "hang"));
    await until(() => one.pool.inFlight() === 2);
    return { chunk, one };
  }

  test("by a wiped Redis: nobody else has begun, so it goes on and commits", async () => {
    const chunk = await openChunk(chunkOf(4));
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
    const chunk = await openChunk(chunkOf(4));
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

/** Whether Node has taken the listeners of a signal for a leak: it warns the real process, which is not the tests'. */
function hasWarned(signal: AbortSignal): unknown {
  const noted = Object.getOwnPropertySymbols(signal).find(({ description }) =>
    /ListenersWarned/.test(description ?? ""),
  );
  return noted === undefined ? null : (signal as unknown as Record<symbol, unknown>)[noted];
}

test("rows that wait for a store to name them are no leak at the chunk's signal: none is told, and none is left", async () => {
  const chunk = await openChunk(chunkOf(256));
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
