import { setMaxListeners } from "node:events";
import type { AssayError, EngineOutcome, PromptPrefix, ReadRequest } from "@assay/core";
import { afterEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { EngineClient } from "../src/engine-client.ts";
import { createEnginePool } from "../src/engine-pool.ts";
import type { EnginePool, EngineSlot } from "../src/port.ts";
import type { TakeBack } from "../src/take-back.ts";
import { longTails, playRows, siblings } from "./busy-pool.ts";

/** Longer than usual: one pool, and all of its laws about slots, fences, lost engines and locality. */

const never = new AbortController().signal;
setMaxListeners(0, never);
const request: ReadRequest = { kind: "read", model: "m", promptTokenIds: [], logprobTokenIds: [] };
const lost: EngineOutcome = {
  ok: false,
  failure: { kind: "lost", status: null, message: "no answer: ECONNREFUSED", retryAfterMs: null },
};

function client(origin: string, outcome: EngineOutcome = lost): EngineClient {
  return {
    origin,
    complete: async () => outcome,
    streamFromNowOn: () => {},
    ask: async () => ({ status: 200, body: null }),
  };
}

const pools: EnginePool[] = [];
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close();
});

function openWatched(
  origins: string[],
  inFlight: number,
  look: TakeBack["look"] = async () => "same",
  clientOf: (origin: string) => EngineClient = client,
  more: { leastCutMs?: number; onWarning?: (text: string) => void } = {},
) {
  const watched = createEnginePool({
    clients: origins.map((origin) => clientOf(origin)),
    inFlight,
    look,
    onWarning: () => {},
    ...more,
  });
  pools.push(watched.pool);
  return watched;
}

function open(...args: Parameters<typeof openWatched>): EnginePool {
  return openWatched(...args).pool;
}

const names = (engines: number): string[] => Array.from({ length: engines }, (_, i) => `e${i}`);

/** The value when the promise is settled by now, else "waits". */
async function now<T>(promise: Promise<T>): Promise<T | "waits"> {
  return Promise.race([promise, new Promise<"waits">((resolve) => setImmediate(resolve, "waits"))]);
}

describe("slots", () => {
  test("go to the engine with the fewest rows in flight, and no engine gets more than its limit", async () => {
    const pool = open(["a", "b"], 2);
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

  test("alone: waits for the engine to be empty, nothing else is sent there meanwhile, and others go on after it", async () => {
    const pool = open(["a", "b"], 3);
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

  test("alone: who stops waiting leaves the engine to others", async () => {
    const pool = open(["a"], 2);
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

  test("a slot that is given back twice counts once", async () => {
    const pool = open(["a"], 1);
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
          const pool = open(
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
    const pool = open(["a"], 1);
    await pool.acquire("x", never);
    const controller = new AbortController();
    const waiting = pool.acquire("x", controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: "E_ABORTED" });
    expect(pool.waiting).toBe(0);
  });

  test("whenWaitingBelow resolves once fewer rows wait", async () => {
    const pool = open(["a"], 1);
    const slot = await pool.acquire("x", never);
    const second = pool.acquire("x", never);
    const third = pool.acquire("x", never);
    const below = pool.whenWaitingBelow(2, never);
    expect(await now(below)).toBe("waits");
    slot.release();
    await below;
    (await second).release();
    await third;
    await pool.whenWaitingBelow(1, never);
  });

  test("whenWaitingBelow ends with its signal", async () => {
    const pool = open(["a"], 1);
    await pool.acquire("x", never);
    void pool.acquire("x", never).catch(() => {});
    const controller = new AbortController();
    const below = pool.whenWaitingBelow(1, controller.signal);
    controller.abort();
    await below;
  });
});

describe("an engine that is lost", () => {
  test("takes no more rows until it is back; who waits is served then", async () => {
    let back = false;
    let asked: () => void = () => {};
    const looked = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const pool = open(["a"], 4, async () => {
      asked();
      return back ? "same" : "away";
    });
    const slot = await pool.acquire("x", never);
    expect(await slot.complete(request, { signal: never, deadlineMs: 1_000 })).toEqual(lost);
    expect(pool.capacity).toBe(0);
    slot.release();
    const waiting = pool.acquire("x", never);
    await looked;
    expect(await now(waiting)).toBe("waits");
    back = true;
    expect((await waiting).origin).toBe("a");
    expect(pool.capacity).toBe(4);
  });

  test("its rows go to the others", async () => {
    const pool = open(["a", "b"], 2, async () => "away");
    const slot = await pool.acquire("x", never);
    await slot.complete(request, { signal: never, deadlineMs: 1_000 });
    expect((await pool.acquire("x", never)).origin).toBe("b");
    expect((await pool.acquire("x", never)).origin).toBe("b");
  });
});

describe("a process", () => {
  const answer: EngineOutcome = {
    ok: true,
    completion: {
      reasoning: null,
      content: "",
      finishReason: "stop",
      tokenIds: null,
      promptTokenIds: null,
      logprobs: null,
      logprobsEnd: 0,
      usage: { promptTokens: 1, completionTokens: 1, cachedTokens: null },
      latencyMs: 1,
    },
  };
  const options = { signal: never, deadlineMs: 1_000 };
  const kindOf = (outcome: EngineOutcome): string => (outcome.ok ? "ok" : outcome.failure.kind);

  /** An engine with one slot for a row that is answered once, is lost, and is answered again after `look` said so. */
  async function straddle(found: "same" | "back", how: "cut" | "given up"): Promise<string[]> {
    const script: EngineOutcome[] = how === "cut" ? [answer, lost, answer, answer, answer] : [answer, answer, answer];
    const looks: boolean[] = [];
    const { pool, lose } = openWatched(
      ["a"],
      3,
      async (_client, isDoubted) => {
        looks.push(isDoubted);
        return found;
      },
      (origin) => ({ ...client(origin), complete: async () => script.shift() ?? lost }),
    );
    const slot = await pool.acquire("x", never);
    const said = [kindOf(await slot.complete(request, options))];
    if (how === "cut") await (await pool.acquire("x", never)).complete(request, options);
    else expect(lose("a", "it was restarted")).toBe(true);
    const next = await pool.acquire("x", never);
    said.push(kindOf(await slot.complete(request, options)), kindOf(await next.complete(request, options)));
    expect(looks).toEqual([how === "given up"]);
    return said;
  }

  test("that only lost a connection goes on with the rows that it has begun", async () => {
    expect(await straddle("same", "cut")).toEqual(["ok", "ok", "ok"]);
  });

  test("that may be another one is not asked for the second half of a row; whole rows are welcome", async () => {
    expect(await straddle("back", "cut")).toEqual(["ok", "lost", "ok"]);
    expect(await straddle("back", "given up")).toEqual(["ok", "lost", "ok"]);
    // even one that answers as it did before: it hung
    expect(await straddle("same", "given up")).toEqual(["ok", "lost", "ok"]);
  });

  test("that is given up while it is looked at has to prove itself all the same", async () => {
    const looks: boolean[] = [];
    const watched = openWatched(["a"], 1, async (_client, isDoubted) => {
      looks.push(isDoubted);
      if (looks.length === 1) watched.lose("a", "it was restarted");
      return "same";
    });
    watched.suspect("a", "nobody listens");
    expect(watched.pool.capacity).toBe(0);
    await watched.pool.acquire("x", never);
    expect(looks).toEqual([false, true]);
  });
});

test("a proxy's limit that streaming does not lift is the rows' own from then on, and the engine stays", async () => {
  const warnings: string[] = [];
  const streamed: string[] = [];
  const { pool } = openWatched(
    ["a"],
    3,
    undefined,
    (origin) => ({ ...client(origin), streamFromNowOn: () => void streamed.push(origin) }),
    { leastCutMs: 0, onWarning: (text) => warnings.push(text) },
  );
  const meet = async (): Promise<string> => {
    const slot = await pool.acquire("x", never);
    const outcome = await slot.complete(request, { signal: never, deadlineMs: 1_000 });
    slot.release();
    return outcome.ok ? "ok" : outcome.failure.kind;
  };
  const kinds = [];
  for (let row = 0; row < 8; row += 1) kinds.push(await meet());
  expect(kinds).toEqual([...Array(6).fill("lost"), "deadline", "deadline"]);
  expect(streamed).toEqual(["a"]);
  expect(warnings).toEqual([
    expect.stringContaining("streamed from now on"),
    expect.stringContaining("though streamed"),
  ]);
  expect(pool.capacity).toBe(3);
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
    const pool = open(["a", "b"], 2);
    pool.fence("x", "a", "rejects everything");
    expect((await pool.acquire("x", never)).origin).toBe("b");
    expect((await pool.acquire("y", never)).origin).toBe("a");
  });

  test("around every engine refuses the batch's rows, waiting ones included, with the reason", async () => {
    const pool = open(["a"], 1);
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

  test("does not hold up the rows of others behind it in the line", async () => {
    const pool = open(["a", "b"], 1);
    pool.fence("x", "a", "rejects everything");
    const [onA] = [await pool.acquire("y", never), await pool.acquire("x", never)];
    const first = pool.acquire("x", never);
    const second = pool.acquire("y", never);
    onA?.release();
    expect((await second).origin).toBe("a");
    expect(await now(first)).toBe("waits");
  });
});

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
    const pool = open(["a", "b", "c", "d"], 100);
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
    const pool = open(["a", "b"], 2);
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
    const pool = open(["a", "b"], 2);
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
      const pool = open(["a", "b", "c"], 100, async () => "away");
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
    const { pool } = createEnginePool({
      clients: [{ ...client("a"), complete }],
      inFlight: 4,
      look: async () => "same",
      onWarning: () => {},
    });
    pools.push(pool);
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
        const pool = open(names(engines), 200);
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
    const pool = open(["a", "b"], 2);
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
    expect(await found(open(names(8), 16))).toBeGreaterThan(0.9);
    expect(await found(plain(open(names(8), 16)))).toBeLessThan(0.7);
  });

  test("and it costs nothing: without siblings the rows go as they would without knowledge of prefixes", async () => {
    const rows = siblings(1_200, 1, 1);
    const lasts = longTails(rows.length, 7);
    const play = (pool: EnginePool) => playRows(pool, rows, (row) => lasts[row] ?? 1);
    expect(await play(open(names(8), 8))).toEqual(await play(plain(open(names(8), 8))));
  });
});

test("close ends all waiting with E_ABORTED", async () => {
  const pool = open(["a"], 1);
  await pool.acquire("x", never);
  const waiting = pool.acquire("x", never);
  await pool.close();
  await expect(waiting).rejects.toMatchObject({ code: "E_ABORTED" });
});
