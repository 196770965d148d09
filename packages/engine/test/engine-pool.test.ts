import type { EngineOutcome } from "@assay/core";
import { afterEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { EngineSlot } from "../src/port.ts";
import { client, closePools, never, now, openPool, openWatched, request } from "./open-pool.ts";

afterEach(closePools);

describe("slots", () => {
  test("go to the engine with the fewest rows in flight, and no engine gets more than its limit", async () => {
    const pool = openPool(["a", "b"], 2);
    expect(pool.capacity).toBe(4);
    const slots = await Promise.all([1, 2, 3, 4].map(() => pool.acquire("x", never)));
    expect(slots.map(({ origin }) => origin)).toEqual(["a", "b", "a", "b"]);
    const fifth = pool.acquire("x", never);
    expect(await now(fifth)).toBe("waits");
    expect(pool.waiting).toBe(1);
    slots[1]?.release();
    expect((await fifth).origin).toBe("b");
    expect(pool.waiting).toBe(0);
  });

  test("a slot that is given back twice counts once", async () => {
    const pool = openPool(["a"], 1);
    const slot = await pool.acquire("x", never);
    slot.release();
    slot.release();
    await pool.acquire("x", never);
    expect(await now(pool.acquire("x", never))).toBe("waits");
  });

  test("law: never more in flight than the limit, all served, in the order of asking", () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.nat(9), { minLength: 1, maxLength: 60 }),
        async (engines, inFlight, releases) => {
          const pool = openPool(
            Array.from({ length: engines }, (_, i) => `e${i}`),
            inFlight,
          );
          const held: EngineSlot[] = [];
          const served: number[] = [];
          let most = 0;
          const all = releases.map((_, i) =>
            pool.acquire("x", never).then((slot) => {
              served.push(i);
              held.push(slot);
              most = Math.max(most, held.length);
            }),
          );
          for (const pick of [...releases, ...releases]) {
            await new Promise(setImmediate);
            held.splice(pick % Math.max(1, held.length), 1)[0]?.release();
          }
          await Promise.all(all);
          expect(most).toBeLessThanOrEqual(engines * inFlight);
          expect(served).toEqual(releases.map((_, i) => i));
        },
      ),
      { numRuns: 60 },
    ));
});

describe("waiting", () => {
  test("ends with E_ABORTED when the signal aborts, and leaves the line", async () => {
    const pool = openPool(["a"], 1);
    await pool.acquire("x", never);
    const controller = new AbortController();
    const waiting = pool.acquire("x", controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: "E_ABORTED" });
    expect(pool.waiting).toBe(0);
  });

  test("for an engine that takes the batch's rows: not for a slot, as long as all are lost, and no longer than the signal", async () => {
    let isBack = (): void => {};
    const back = new Promise<void>((resolve) => {
      isBack = resolve;
    });
    const pool = openPool(["a"], 1, async () => {
      await back;
      return "same";
    });
    const slot = await pool.acquire("x", never);
    await pool.whenOpen("x", never);
    await slot.complete(request, { signal: never, deadlineMs: 1 });
    const controller = new AbortController();
    const [open, given] = [pool.whenOpen("x", never), pool.whenOpen("x", controller.signal)];
    expect(await now(open)).toBe("waits");
    controller.abort();
    await expect(given).rejects.toMatchObject({ code: "E_ABORTED" });
    isBack();
    await open;
  });

  test("for an engine that takes the batch's rows ends with the last fence", async () => {
    const pool = openPool(["a", "b"], 1, () => new Promise(() => {}));
    pool.fence("x", "a", "no");
    await pool.whenOpen("x", never);
    const slot = await pool.acquire("x", never);
    await slot.complete(request, { signal: never, deadlineMs: 1 });
    const open = pool.whenOpen("x", never);
    expect(await now(open)).toBe("waits");
    pool.fence("x", "b", "nor here");
    await expect(open).rejects.toMatchObject({ code: "E_ENGINES_FENCED", message: "nor here" });
    await expect(pool.whenOpen("x", never)).rejects.toMatchObject({ code: "E_ENGINES_FENCED" });
  });
});

describe("429", () => {
  test("halves what is in flight, once for all requests that were sent before; 503 does not", async () => {
    const busy = (status: number): EngineOutcome => ({
      ok: false,
      failure: { kind: "busy", status, message: "slow down", retryAfterMs: null },
    });
    let status = 503;
    const { pool } = openWatched(["a"], 64, undefined, (origin) => ({
      ...client(origin),
      complete: async () => {
        await new Promise(setImmediate);
        return busy(status);
      },
    }));
    const slots = await Promise.all(Array.from({ length: 64 }, () => pool.acquire("x", never)));
    const all = () => Promise.all(slots.map((slot) => slot.complete(request, { signal: never, deadlineMs: 1_000 })));
    await all();
    expect(pool.capacity).toBe(64);
    status = 429;
    await all();
    expect(pool.capacity).toBe(32);
    await all();
    expect(pool.capacity).toBe(16);
  });
});

describe("a fence", () => {
  test("keeps an engine from one batch and from no other", async () => {
    const pool = openPool(["a", "b"], 2);
    pool.fence("x", "a", "rejects everything");
    expect((await pool.acquire("x", never)).origin).toBe("b");
    expect((await pool.acquire("y", never)).origin).toBe("a");
  });

  test("around every engine refuses the batch's rows, waiting ones included, with the reason", async () => {
    const pool = openPool(["a"], 1);
    await pool.acquire("y", never);
    const waiting = pool.acquire("x", never);
    const other = pool.acquire("y", never);
    pool.fence("x", "a", "rejects everything");
    await expect(waiting).rejects.toMatchObject({
      code: "E_ENGINES_FENCED",
      message: "rejects everything",
      where: "a",
    });
    await expect(pool.acquire("x", never)).rejects.toMatchObject({ code: "E_ENGINES_FENCED" });
    expect(await now(other)).toBe("waits");
    pool.lift("x");
    expect(await now(pool.acquire("x", never))).toBe("waits");
  });

  test("stands when its engine comes back as the same process, and is gone when another one takes its place", async () => {
    for (const [look, origin] of [
      ["same", "b"],
      ["back", "a"],
    ] as const) {
      const { pool, suspect } = openWatched(["a", "b"], 1, async () => look);
      pool.fence("x", "a", "rejects everything");
      suspect("a", "played");
      expect(pool.capacity).toBe(1);
      while (pool.capacity < 2) await new Promise((resolve) => setImmediate(resolve));
      expect(pool.isFenced("x", "a")).toBe(look === "same");
      expect((await pool.acquire("x", never)).origin).toBe(origin);
    }
  });

  test("does not hold up the rows of others behind it in the line", async () => {
    const pool = openPool(["a", "b"], 1);
    pool.fence("x", "a", "rejects everything");
    const [onA] = [await pool.acquire("y", never), await pool.acquire("x", never)];
    const first = pool.acquire("x", never);
    const second = pool.acquire("y", never);
    onA?.release();
    expect((await second).origin).toBe("a");
    expect(await now(first)).toBe("waits");
  });
});

test("close ends all waiting with E_ABORTED", async () => {
  const pool = openPool(["a"], 1);
  await pool.acquire("x", never);
  const waiting = pool.acquire("x", never);
  await pool.close();
  await expect(waiting).rejects.toMatchObject({ code: "E_ABORTED" });
});
