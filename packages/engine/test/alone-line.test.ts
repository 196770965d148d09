import type { AssayError } from "@assay/core";
import { afterEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { EngineSlot } from "../src/port.ts";
import { closePools, never, now, openPool, openWatched } from "./open-pool.ts";

afterEach(closePools);

describe("alone on an engine", () => {
  test("waits for the engine to be empty, nothing else is sent there meanwhile, and others go on after it", async () => {
    const pool = openPool(["a", "b"], 3);
    const [first, second] = [await pool.acquire("x", never), await pool.acquire("x", never)];
    const third = await pool.acquire("x", never);
    expect([first, second, third].map(({ origin }) => origin)).toEqual(["a", "b", "a"]);
    const alone = pool.acquireAlone("x", never);
    expect(await now(alone)).toBe("waits");
    // b has a free slot and is kept free
    expect((await pool.acquire("x", never)).origin).toBe("a");
    const other = pool.acquireAlone("x", new AbortController().signal);
    second.release();
    const slot = await alone;
    expect(slot.origin).toBe("b");
    // the second one keeps a free
    const waiting = pool.acquire("x", never);
    expect(await now(waiting)).toBe("waits");
    expect(await now(other)).toBe("waits");
    slot.release();
    expect((await waiting).origin).toBe("b");
    first.release();
  });

  test("who stops waiting leaves the engine to others", async () => {
    const pool = openPool(["a"], 2);
    const held = await pool.acquire("x", never);
    const stop = new AbortController();
    const alone = pool.acquireAlone("x", stop.signal).catch((error: AssayError) => error.code);
    const behind = pool.acquire("x", never);
    expect(await now(behind)).toBe("waits");
    stop.abort();
    expect(await alone).toBe("E_ABORTED");
    expect((await behind).origin).toBe("a");
    held.release();
  });

  test("an engine that is lost or fenced while it is emptied is exchanged for another", async () => {
    for (const how of ["lost", "fenced"] as const) {
      const { pool, suspect } = openWatched(["a", "b"], 2, async () => "away");
      const [onA, onB] = [await pool.acquire("x", never), await pool.acquire("x", never)];
      const alone = pool.acquireAlone("x", never);
      if (how === "lost") suspect("a", "nobody listens");
      else pool.fence("x", "a", "rejects everything");
      onA?.release();
      expect(await now(alone)).toBe("waits");
      onB?.release();
      expect((await alone).origin).toBe("b");
    }
  });

  test("all engines fenced, or the pool closed: refused", async () => {
    const pool = openPool(["a"], 1);
    await pool.acquire("y", never);
    const fenced = pool.acquireAlone("x", never);
    const closed = pool.acquireAlone("y", never);
    pool.fence("x", "a", "rejects everything");
    await expect(fenced).rejects.toMatchObject({ code: "E_ENGINES_FENCED" });
    await pool.close();
    await expect(closed).rejects.toMatchObject({ code: "E_ABORTED" });
  });

  test("law: whoever is alone is so on its engine as long as it has it, and everybody is served", () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.record({ alone: fc.boolean(), pick: fc.nat(9) }), { minLength: 1, maxLength: 40 }),
        async (engines, rows) => {
          const pool = openPool(
            Array.from({ length: engines }, (_, i) => `e${i}`),
            3,
          );
          const held: { slot: EngineSlot; alone: boolean }[] = [];
          let served = 0;
          const all = rows.map(({ alone }) =>
            (alone ? pool.acquireAlone("x", never) : pool.acquire("x", never)).then((slot) => {
              served += 1;
              held.push({ slot, alone });
              for (const one of held) {
                const beside = held.filter((other) => other !== one && other.slot.origin === one.slot.origin);
                expect(one.alone && beside.length > 0).toBe(false);
              }
            }),
          );
          for (const { pick } of [...rows, ...rows]) {
            await new Promise(setImmediate);
            held.splice(pick % Math.max(1, held.length), 1)[0]?.slot.release();
          }
          await Promise.all(all);
          expect(served).toBe(rows.length);
        },
      ),
      { numRuns: 60 },
    ));
});
