import {
  type Asked,
  AssayError,
  type BothWays,
  comparedRows,
  makeReadsFile,
  type Profile,
  pinKey,
  type ReadsFile,
  type ReadWay,
  readsBytes,
  readsKey,
  setProfile,
  vllmForm,
} from "@assay/core";
import { decodeKeys, decodeShard } from "@assay/datasets";
import type { ObjectStore } from "@assay/store";
import { memoryStore } from "@assay/testkit";
import { describe, expect, test } from "@jest/globals";
import { openBatch, type ProbeEngines } from "../src/batch-context.ts";
import { type BatchReading, createBatchReading, readReads, type WayTold } from "../src/batch-reading.ts";
import { readPin } from "../src/pin-batch.ts";
import { model, pin, probing, profile, records, submit } from "./build-batch.ts";

const batch = "b-0000000000000000";
const a = "http://a";
const b = "http://b";

function reading(store: ObjectStore, changed: { insist?: boolean; first?: ReadWay; ways?: readonly ReadWay[] } = {}) {
  const told: WayTold[] = [];
  const { insist = false, first = "two-step", ways = ["two-step", "ids"] } = changed;
  const facts = [a, b].map((origin) => ({
    origin,
    model,
    version: "0",
    maxModelLen: null,
    ways,
    server: vllmForm,
    blockSize: 16,
    pin,
  }));
  return {
    told,
    reading: createBatchReading({ store, batch, first, insist, facts, onWay: (one) => void told.push(one) }),
  };
}

const completion = {
  reasoning: null,
  content: "",
  finishReason: "stop",
  tokenIds: [],
  promptTokenIds: [],
  logprobs: null,
  logprobsEnd: 0,
  usage: { promptTokens: 1, completionTokens: 1, cachedTokens: null },
  latencyMs: 1,
};

/** An answer whose second request found `cached` of 1,000 tokens. */
const answer = (yes: number, cached: number | null, way: ReadWay = "two-step"): Asked & { ok: true } => ({
  ok: true,
  completion,
  found: { found: true, position: 0, form: null, answer: " Yes" },
  read: { status: "ok", why: null, logprobYes: yes, logprobNo: -2, mass: 0.9, floored: false, form: " Yes" },
  way,
  latencyMs: 10_000,
  cachedTokens: cached,
  second: way === "two-step" ? { promptTokens: 1_000, cachedTokens: cached, latencyMs: 10 } : null,
});

async function noteMany(one: BatchReading, origin: string, count: number, asked: Asked): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    one.note(origin, asked);
    await one.settle(origin);
  }
}
async function compareMany(one: BatchReading, origin: string, count: number, apart: number): Promise<void> {
  const both: BothWays = { ids: answer(-1 - apart, null, "ids"), twoStep: answer(-1, 0) };
  for (let row = 0; row < count; row += 1) {
    one.noteBoth(row, both);
    await one.settle(origin);
  }
}
const compared = (apart: number): ReadsFile =>
  makeReadsFile(Array.from({ length: comparedRows }, (_, row) => ({ row_index: row, two_step: 1, ids: 1 + apart })));

describe("one worker", () => {
  test("compares 64 rows of the engine that wants to change, stores them, changes it, and leaves the other", async () => {
    const store = memoryStore();
    const { reading: one, told } = reading(store);
    await noteMany(one, a, 50, answer(-1, 0));
    await noteMany(one, b, 60, answer(-1, 992));
    expect([one.on(a).way, one.on(b).way]).toEqual(["both", "two-step"]);
    await compareMany(one, a, 63, 0.1);
    expect([one.on(a).way, await readReads(store, batch)]).toEqual(["both", null]);
    await compareMany(one, a, 1, 0.1);
    expect(await readReads(store, batch)).toMatchObject({ rows: 64, may_mix: true });
    expect([one.on(a).way, one.on(b).way]).toEqual(["ids", "two-step"]);
    expect(told).toMatchObject([{ engine: a, way: "ids" }]);
    // the second engine needs no comparison of its own
    await noteMany(one, b, 201, answer(-1, 0));
    expect(one.on(b).way).toBe("ids");
  });

  test("stays for good where the ways differ, and says so once", async () => {
    const store = memoryStore();
    const { reading: one, told } = reading(store);
    await noteMany(one, a, 50, answer(-1, 0));
    await compareMany(one, a, 64, 0.4);
    await noteMany(one, a, 200, answer(-1, 0));
    expect(one.on(a).way).toBe("two-step");
    expect(told).toMatchObject([{ engine: a, way: "two-step", reason: expect.stringContaining("0.400") }]);
  });

  test("what counts of a row that is read both ways is the way that it is in", async () => {
    const { reading: one } = reading(memoryStore());
    const both: BothWays = { ids: answer(-9, null, "ids"), twoStep: answer(-1, 0) };
    expect(one.noteBoth(0, both)).toBe(both.twoStep);
    expect(one.noteBoth(0, { ...both, twoStep: null })).toBe(both.ids);
  });

  test.each([
    ["insisted on", "two-step", { insist: true }],
    ["no other way here", "two-step", { ways: ["two-step"] }],
    ["lists", "top", { first: "top", ways: ["top"] }],
  ] satisfies [string, ReadWay, Parameters<typeof reading>[1]][])("never changes: %s", async (_name, way, changed) => {
    const { reading: one, told } = reading(memoryStore(), changed);
    await noteMany(one, a, 300, answer(-1, 0));
    expect([one.on(a).way, told]).toEqual([way, []]);
  });
});

describe("several workers", () => {
  test("one that finds reads.json compares nothing and follows it", async () => {
    for (const [apart, way] of [
      [0.1, "ids"],
      [0.3, "two-step"],
    ] as const) {
      const store = memoryStore();
      await store.putIfAbsent(readsKey(batch), readsBytes(compared(apart)));
      const { reading: one, told } = reading(store);
      await noteMany(one, a, 50, answer(-1, 0));
      expect([one.on(a).way, told.length]).toEqual([way, 1]);
    }
  });

  test("two that compare at once follow the one that was stored first", async () => {
    const store = memoryStore();
    const [first, second] = [reading(store).reading, reading(store).reading];
    for (const one of [first, second]) await noteMany(one, a, 50, answer(-1, 0));
    await compareMany(second, a, 63, 0.1);
    await compareMany(first, a, 64, 0.4);
    await compareMany(second, a, 1, 0.1);
    expect([first.on(a).way, second.on(a).way]).toEqual(["two-step", "two-step"]);
    expect((await readReads(store, batch))?.may_mix).toBe(false);
  });

  test("a store that is away only puts it off: rows go on in the first way", async () => {
    const store = memoryStore();
    let away = true;
    const gone: ObjectStore = {
      ...store,
      get: (key) => (away ? Promise.reject(new AssayError("E_STORE_UNAVAILABLE", "away")) : store.get(key)),
    };
    const { reading: one } = reading(gone);
    await noteMany(one, a, 50, answer(-1, 0));
    await compareMany(one, a, 64, 0);
    expect(one.on(a).way).toBe("two-step");
    away = false;
    await noteMany(one, a, 1, answer(-1, 0));
    expect(one.on(a).way).toBe("ids");
  });

  test("a reads.json that is none is E_BROKEN", async () => {
    const store = memoryStore();
    store.objects.set(readsKey(batch), Buffer.from("{}"));
    await expect(readReads(store, batch)).rejects.toMatchObject({ code: "E_BROKEN", where: readsKey(batch) });
  });
});

describe("joining a batch", () => {
  const withWays =
    (ways: readonly ReadWay[], topLogprobs = 20): ProbeEngines =>
    async (asked, revision) => {
      const found = await probing()(asked, revision);
      const server = { ...vllmForm, topLogprobs };
      return { ...found, facts: found.facts.map((facts) => ({ ...facts, ways, server })) };
    };
  const exact: readonly ReadWay[] = ["two-step", "ids"];

  async function begun(ways: readonly ReadWay[], asked: Profile = profile, topLogprobs = 20) {
    const store = memoryStore();
    const file = await submit(store, records(3), { batch: { profile: asked } });
    const join = (probe: ProbeEngines) =>
      openBatch({ store, decodeShard, decodeKeys }, file.batch, model, probe, () => {});
    await join(withWays(ways, topLogprobs));
    return { store, file, join };
  }

  test("the first way is pinned, and is taken by a worker that would have chosen another", async () => {
    const { store, file, join } = await begun(["ids"]);
    expect((await readPin(store, file.batch))?.read).toBe("ids");
    expect((await join(withWays(exact))).reading.first).toBe("ids");
  });

  test("exact ids join two steps only where reads.json says that they agree", async () => {
    const { store, file, join } = await begun(exact);
    const refused = { code: "E_PIN_MISMATCH", where: pinKey(file.batch), expected: "read two-step", got: "read ids" };
    await expect(join(withWays(["ids"]))).rejects.toMatchObject(refused);
    await store.putIfAbsent(readsKey(file.batch), readsBytes(compared(0.3)));
    await expect(join(withWays(["ids"]))).rejects.toMatchObject(refused);
    store.objects.set(readsKey(file.batch), readsBytes(compared(0.2)));
    expect((await join(withWays(["ids"]))).reading.first).toBe("ids");
  });

  test("lists join nothing and nothing joins them, whatever reads.json says", async () => {
    for (const [first, second] of [
      [exact, ["top"]],
      [["top"], exact],
    ] as const) {
      const { store, file, join } = await begun(first);
      await store.putIfAbsent(readsKey(file.batch), readsBytes(compared(0)));
      await expect(join(withWays(second))).rejects.toMatchObject({ code: "E_PIN_MISMATCH" });
    }
  });

  test("lists are as long as the batch's first; a server of shorter ones is refused", async () => {
    const { store, file, join } = await begun(["top"], profile, 10);
    expect(await readPin(store, file.batch)).toMatchObject({ read: "top", top: 10 });
    const longer = await join(withWays(["top"], 20));
    expect([longer.server.topLogprobs, longer.reading.on("http://engine-a:8000").server.topLogprobs]).toEqual([10, 10]);
    await expect(join(withWays(["top"], 5))).rejects.toMatchObject({
      code: "E_PIN_MISMATCH",
      expected: "read top, lists of 10",
      got: "read top, lists of 5",
    });
  });

  test("a way that is insisted on is no other, and is pinned", async () => {
    const insisted = setProfile(profile, new Map([["read", "ids"]]));
    const { store, file, join } = await begun(exact, insisted);
    expect((await readPin(store, file.batch))?.read).toBe("ids");
    await expect(join(withWays(["two-step"]))).rejects.toMatchObject({ code: "E_ENGINE_REFUSED", expected: "ids" });
  });

  test("a pin of earlier, which names no way, is joined in the worker's own", async () => {
    const { store, file, join } = await begun(exact);
    const { read: _read, ...old } = (await readPin(store, file.batch)) ?? pin;
    store.objects.set(pinKey(file.batch), Buffer.from(JSON.stringify(old)));
    expect((await join(withWays(["ids"]))).reading.first).toBe("ids");
  });
});
