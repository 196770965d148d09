import type { EngineOutcome } from "@assay/core";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { Look } from "../src/take-back.ts";
import { client, closePools, lost, never, now, openPool, openWatched, request } from "./open-pool.ts";

afterEach(closePools);

describe("an engine that is lost", () => {
  test("takes no more rows until it is back; who waits is served then", async () => {
    let back = false;
    let asked: () => void = () => {};
    const looked = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const pool = openPool(["a"], 4, async () => {
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
    const pool = openPool(["a", "b"], 2, async () => "away");
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

describe("the fate of an engine that was lost", () => {
  /** What becomes of it after these looks; what is "hangs" is given up before the first. */
  async function fateAfter(looks: Look[], how: "cut" | "hangs" = "cut"): Promise<string> {
    const { pool, lose } = openWatched(["a"], 1, async () => looks.shift() ?? "away");
    const slot = await pool.acquire("x", never);
    if (how === "hangs") lose("a", "no token although rows run");
    else await slot.complete(request, { signal: never, deadlineMs: 1_000 });
    return slot.fate();
  }

  test("the same process lives, also after a network that was away; another one is a death", async () => {
    expect(await fateAfter(["same"])).toBe("lives");
    expect(await fateAfter(["away", "same"])).toBe("lives");
    expect(await fateAfter(["back"])).toBe("died");
    expect(await fateAfter(["away", "back"])).toBe("died");
  });

  test("one that does not tell its process lives where the first look finds it, and died where it was away", async () => {
    expect(await fateAfter(["untold"])).toBe("lives");
    expect(await fateAfter(["away", "untold"])).toBe("died");
  });

  test("one that was given up died, whatever answers then", async () => {
    expect(await fateAfter(["same"], "hangs")).toBe("died");
  });

  test("is not known while it is away, nor when the pool is closed", async () => {
    const pool = openPool(["a"], 1, async () => "away");
    const slot = await pool.acquire("x", never);
    await slot.complete(request, { signal: never, deadlineMs: 1_000 });
    expect(await now(slot.fate())).toBe("waits");
    await pool.close();
    expect(await now(slot.fate())).toBe("waits");
  });
});
