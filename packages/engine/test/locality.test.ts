import type { PromptPrefix } from "@assay/core";
import { afterEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { EngineClient } from "../src/engine-client.ts";
import type { EnginePool, EngineSlot } from "../src/port.ts";
import { longTails, playRows, siblings } from "./busy-pool.ts";
import { client, closePools, lost, never, now, openPool, openWatched, request } from "./open-pool.ts";

afterEach(closePools);

const names = (engines: number): string[] => Array.from({ length: engines }, (_, i) => `e${i}`);

describe("locality", () => {
  const of = (conversation: string, response: string | null = null): PromptPrefix => ({ conversation, response });
  /** The same pool without knowledge of prefixes: the fewest in flight first. */
  const plain = (pool: EnginePool): EnginePool => ({
    ...pool,
    get waiting() {
      return pool.waiting;
    },
    get capacity() {
      return pool.capacity;
    },
    acquire: (batch, signal) => pool.acquire(batch, signal),
  });
  /** Others' rows, so that the share of a home is not what decides. */
  async function fill(pool: EnginePool, rows: number): Promise<EngineSlot[]> {
    return Promise.all(Array.from({ length: rows }, () => pool.acquire("others", never)));
  }

  test("siblings go where the first one went; another response of the conversation, too, when nothing else is known", async () => {
    const pool = openPool(["a", "b", "c", "d"], 100);
    await fill(pool, 41);
    const first = await pool.acquire("x", never, of("c", "r"));
    // no engine has fewer in flight than this one, so it would be the last choice
    expect(first.origin).toBe("b");
    expect((await pool.acquire("x", never, of("c", "r"))).origin).toBe("b");
    expect((await pool.acquire("x", never, of("c", "other"))).origin).toBe("b");
    expect((await pool.acquire("x", never, of("elsewhere"))).origin).not.toBe("b");
  });

  test("a home without a free slot is no reason to wait: another that has one is taken at once", async () => {
    const { pool, setLimit } = openWatched(["a", "b"], 4);
    await fill(pool, 4);
    expect((await pool.acquire("x", never, of("c"))).origin).toBe("a");
    setLimit("a", 3);
    const next = await now(pool.acquire("x", never, of("c")));
    expect(next).toMatchObject({ origin: "b" });
  });

  test("a freed slot goes to who is at home there, before others that stand in front; then on in the order of asking", async () => {
    const pool = openPool(["a", "b"], 2);
    const [a, b] = [await pool.acquire("x", never, of("A")), await pool.acquire("x", never, of("B"))];
    const [a2, b2] = await fill(pool, 2);
    const order: string[] = [];
    const wait = (prefix: string) =>
      pool.acquire("x", never, of(prefix)).then((slot) => order.push(`${prefix} on ${slot.origin}`));
    const all = Promise.all([wait("A"), wait("new"), wait("B"), wait("B")]);
    for (const slot of [b, b2, a, a2]) {
      slot?.release();
      await new Promise(setImmediate);
    }
    await all;
    expect(order).toEqual(["B on b", "B on b", "A on a", "new on a"]);
  });

  test("a slot that nobody in line is at home at goes to the first without a home, else to the first", async () => {
    const pool = openPool(["a", "b"], 2);
    const a = await pool.acquire("x", never, of("A"));
    const [b, a2] = await fill(pool, 2);
    const b2 = await pool.acquire("x", never);
    expect([a.origin, b?.origin, a2?.origin, b2.origin]).toEqual(["a", "b", "a", "b"]);
    const order: string[] = [];
    const wait = (prefix: string) =>
      pool.acquire("x", never, of(prefix)).then((slot) => order.push(`${prefix} on ${slot.origin}`));
    const all = Promise.all([wait("A"), wait("new")]);
    b?.release();
    await new Promise(setImmediate);
    b2.release();
    await all;
    expect(order).toEqual(["new on b", "A on b"]);
  });

  test("falls away from an engine that is down or fenced, and the siblings behind it stay together", async () => {
    for (const ends of ["down", "fenced"] as const) {
      const pool = openPool(["a", "b", "c"], 100, async () => "away");
      await fill(pool, 30);
      const first = await pool.acquire("x", never, of("c", "r"));
      expect(first.origin).toBe("a");
      if (ends === "down") await first.complete(request, { signal: never, deadlineMs: 1_000 });
      else pool.fence("x", "a", "rejects everything");
      const second = await pool.acquire("x", never, of("c", "r"));
      expect(second.origin).toBe("b");
      expect((await pool.acquire("x", never, of("c", "r"))).origin).toBe("b");
      // a fence of one batch is none of another's
      if (ends === "fenced") expect((await pool.acquire("y", never, of("c"))).origin).toBe("b");
    }
  });

  test("each request of a row tells a router in front its conversation", async () => {
    const sessions: (string | undefined)[] = [];
    const complete: EngineClient["complete"] = async (_request, { session }) => {
      sessions.push(session);
      return lost;
    };
    const pool = openPool(["a"], 4, undefined, (origin) => ({ ...client(origin), complete }));
    for (const prefix of [of("c", "r"), undefined]) {
      const slot = await pool.acquire("x", never, prefix);
      await slot.complete(request, { signal: never, deadlineMs: 1_000 });
    }
    expect(sessions).toEqual(["c", undefined]);
  });

  const steps = fc.array(fc.record({ acquires: fc.boolean(), pick: fc.nat(99), key: fc.nat(3) }), { maxLength: 120 });

  test("law: at home while there is a slot and a fair share; never above 1.25 times it while others are free", () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 6 }), steps, async (engines, all) => {
        const pool = openPool(names(engines), 200);
        const held: EngineSlot[] = [];
        const home = new Map<number, string>();
        const at = (origin: string): number => held.filter((slot) => slot.origin === origin).length;
        for (const { acquires, pick, key } of all) {
          if (!acquires) {
            held.splice(pick % Math.max(1, held.length), 1)[0]?.release();
            continue;
          }
          const most = Math.ceil((1.25 * (held.length + 1)) / engines);
          const fewest = Math.min(...names(engines).map(at));
          const wanted = home.get(key);
          const before = wanted === undefined ? 0 : at(wanted);
          const slot = await pool.acquire("x", never, of(`${key}`));
          if (wanted !== undefined && before < most) expect(slot.origin).toBe(wanted);
          else expect(at(slot.origin)).toBe(fewest);
          held.push(slot);
          home.set(key, slot.origin);
          if (at(slot.origin) > fewest + 1) expect(at(slot.origin)).toBeLessThanOrEqual(most);
        }
      }),
      { numRuns: 100 },
    ));

  test("the fair share follows the limits: a small engine is not filled like a large one", async () => {
    const { pool, setLimit } = openWatched(["large", "small"], 90);
    setLimit("small", 10);
    await fill(pool, 10);
    const slots = [];
    for (let i = 0; i < 30; i += 1) slots.push(await pool.acquire("x", never, of("c")));
    // 40 rows, a tenth of the slots
    expect(5 + slots.filter(({ origin }) => origin === "small").length).toBeLessThanOrEqual(5);
  });

  const anything = fc.array(
    fc.record({
      does: fc.constantFrom("acquire", "acquire", "acquire", "release", "release", "limit", "fence", "lift", "lose"),
      pick: fc.nat(99),
      key: fc.nat(5),
    }),
    { maxLength: 150 },
  );

  test("law: no slot is free while a row waits that may have it, whatever befalls the engines", () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), anything, async (engines, all) => {
        const { pool, setLimit, lose } = openWatched(names(engines), 2, () => new Promise(() => {}));
        const limits = new Map(names(engines).map((name) => [name, 2]));
        const fenced = new Set<string>();
        const down = new Set<string>();
        const held: EngineSlot[] = [];
        const waiting = new Map<number, string>();
        for (const [i, { does, pick, key }] of all.entries()) {
          const engine = `e${pick % engines}`;
          const batch = pick % 2 === 0 ? "x" : "y";
          if (does === "acquire") {
            waiting.set(i, batch);
            void pool
              .acquire(batch, never, key === 0 ? undefined : of(`c${key % 2}`, `r${key}`))
              .then((slot) => held.push(slot))
              .catch(() => {})
              .finally(() => waiting.delete(i));
          } else if (does === "release") held.splice(pick % Math.max(1, held.length), 1)[0]?.release();
          else if (does === "limit") setLimit(engine, limits.set(engine, key).get(engine) ?? 0);
          else if (does === "lift") {
            pool.lift("x");
            fenced.clear();
          } else if (does === "fence") {
            pool.fence("x", engine, "rejects everything");
            fenced.add(engine);
          } else if (down.size < engines - 1) {
            lose(engine, "played");
            down.add(engine);
          }
          await new Promise(setImmediate);
          for (const name of names(engines)) {
            const free =
              !down.has(name) && held.filter(({ origin }) => origin === name).length < (limits.get(name) ?? 0);
            for (const of of waiting.values()) expect(free && !(of === "x" && fenced.has(name))).toBe(false);
          }
          expect(pool.waiting).toBe(waiting.size);
        }
      }),
      { numRuns: 150 },
    ));

  test("law: nobody is overtaken more often than four times the pool's slots, however slow its home is", async () => {
    const pool = openPool(["a", "b"], 2);
    expect((await pool.acquire("x", never, of("hot"))).origin).toBe("a");
    let onB: EngineSlot | undefined;
    for (const slot of await fill(pool, 3)) if (slot.origin === "b") onB = slot;
    const served: number[] = [];
    // the first row's home never has a slot again, and whoever stands behind it goes well with the other engine
    for (let row = 0; row < 40; row += 1) {
      const waiting = pool.acquire("x", never, of(row === 0 ? "hot" : `${row}`)).then((slot) => {
        served.push(row);
        onB = slot;
      });
      // those that are left wait until the pool is closed
      waiting.catch(() => {});
    }
    for (let i = 0; i < 30; i += 1) {
      onB?.release();
      await new Promise(setImmediate);
    }
    expect(served.indexOf(0)).toBe(4 * pool.capacity);
    expect(served.filter((row) => row > 0)).toEqual(Array.from({ length: 29 }, (_, i) => i + 1));
  });

  test("all slots that come free at once are given at once", async () => {
    const { pool, setLimit } = openWatched(["a", "b"], 1);
    await fill(pool, 2);
    const waiting = Array.from({ length: 5 }, () => pool.acquire("x", never, of("c")));
    for (const last of waiting.slice(3)) last.catch(() => {});
    setLimit("a", 4);
    expect((await Promise.all(waiting.slice(0, 3))).map(({ origin }) => origin)).toEqual(["a", "a", "a"]);
    expect(pool.waiting).toBe(2);
  });

  test.each([
    ["one response, four principles", 300, 1, 4],
    ["four responses, four principles", 75, 4, 4],
    ["sixteen responses, four principles", 19, 16, 4],
    ["sixteen responses, one principle", 75, 16, 1],
  ])("in a full pool of 8 engines nine of ten rows find their beginning (%s)", async (_name, ...shape) => {
    const rows = siblings(...shape);
    const lasts = longTails(rows.length, 7);
    const found = async (pool: EnginePool): Promise<number> => {
      const { served } = await playRows(pool, rows, (row) => lasts[row] ?? 1);
      const beginnings = new Set(rows.map(({ conversation, response }) => response ?? conversation)).size;
      return served.filter(({ shared }) => shared).length / (rows.length - beginnings);
    };
    expect(await found(openPool(names(8), 16))).toBeGreaterThan(0.9);
    expect(await found(plain(openPool(names(8), 16)))).toBeLessThan(0.7);
  });

  test("and it costs nothing: without siblings the rows go as they would without knowledge of prefixes", async () => {
    const rows = siblings(1_200, 1, 1);
    const lasts = longTails(rows.length, 7);
    const play = (pool: EnginePool) => playRows(pool, rows, (row) => lasts[row] ?? 1);
    expect(await play(openPool(names(8), 8))).toEqual(await play(plain(openPool(names(8), 8))));
  });
});
