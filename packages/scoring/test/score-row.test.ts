import { type EngineFailureKind, isAssayError, type ResponseLine, type ResultRow, reward, rowsOf } from "@assay/core";
import { memoryStore } from "@assay/testkit";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { scoreRow } from "../src/score-row.ts";
import { createFailureWatch } from "../src/watch-failures.ts";
import { contextOf, never, profile, record, submit } from "./build-batch.ts";
import { immediateClock, until } from "./immediate-clock.ts";
import { ids, yesOf } from "./scripted-answer.ts";
import { type Ask, type Say, scriptedPool } from "./scripted-pool.ts";

const line: ResponseLine = {
  row_index: 7,
  id: "in:3",
  group: "g",
  input: "in.jsonl",
  input_line: 3,
  response_index: 0,
  messages: [{ role: "user", content: "say it" }],
  response: "r7",
  principles: [{ row_index: 7, principle_index: 0, text: "is it right" }],
  carried: null,
};
const row = { ...rowsOf(line)[0]!, line };
const text = "r7|is it right";
const prefix = { conversation: "c", response: "r" };

/** Scores one row against a script that is told the how-many-th request of the row this is. */
async function score(
  script: (ask: Ask) => Say,
  options: {
    slots?: number;
    origins?: readonly string[];
    context?: Parameters<typeof contextOf>[1];
    response?: string;
    signal?: AbortSignal;
  } = {},
) {
  const file = await submit(memoryStore(), `${record(7)}\n`);
  const pool = scriptedPool({
    script,
    slots: options.slots ?? 1,
    ...(options.origins ? { origins: options.origins } : {}),
  });
  const clock = immediateClock();
  const ports = { pool, clock, startedAt: clock.now(), signal: options.signal ?? never };
  const asked = { ...row, line: { ...line, response: options.response ?? line.response } };
  const scoring = scoreRow(ports, contextOf(file, options.context), asked, prefix);
  return { pool, clock, scoring, result: await scoring.catch((error: unknown) => ({ error })) };
}

async function scored(...args: Parameters<typeof score>): Promise<ResultRow & { asks: number; slept: number[] }> {
  const { result, pool, clock } = await score(...args);
  if ("error" in result) throw result.error;
  // whatever became of the row, its slot is free again
  expect(pool.inFlight()).toBe(0);
  return { ...result, asks: pool.log.length, slept: clock.slept };
}

/** The n-th chat request, whatever the reads in between. */
const at =
  (says: readonly Say[], kind: Ask["kind"] = "chat") =>
  (ask: Ask): Say =>
    ask.kind === kind ? (says[ask.nth - 1] ?? "verdict") : "verdict";

describe("score-row", () => {
  test.each(["two-step", "ids"] as const)(
    "a verdict read by way %s is a reward with everything it came from",
    async (way) => {
      const result = await scored(() => "verdict", { context: { way } });
      const p = yesOf(text);
      expect(result).toMatchObject({
        row_index: 7,
        status: "ok",
        attempts: 1,
        error_code: null,
        error_message: null,
        read: way,
      });
      expect(result.logprob_yes).toBe(Math.log(p));
      expect(result.logprob_no).toBe(Math.log1p(-p));
      expect(result.reward).toBe(reward(Math.log(p), Math.log1p(-p)));
      expect(result.answer).toBe(p >= 0.5 ? " Yes" : " No");
      expect(result).toMatchObject({
        answer_form: " Yes",
        engine: "http://engine-a:8000",
        latency_ms: way === "ids" ? 13 : 15,
      });
      expect(result.asks).toBe(way === "ids" ? 1 : 2);
      expect(result.row_key).toMatch(/^[0-9a-f]{64}$/);
    },
  );

  test("the second step asks exactly the ids in front of the verdict, in the slot that the row holds", async () => {
    const { pool } = await score(() => "verdict", { slots: 1 });
    const [chat, read] = pool.log.map(({ request }) => request);
    if (chat?.kind !== "chat" || read?.kind !== "read") throw new Error("expected a chat and a read");
    expect(chat.logprobTokenIds).toBeNull();
    expect(read.promptTokenIds.at(-1)).toBe(25);
    expect(read.logprobTokenIds).toEqual(expect.arrayContaining([ids.yes, ids.no]));
  });

  /** One failure for ever: what becomes of the row, and how often it was asked. */
  const ends: [EngineFailureKind, Partial<ResultRow>, number][] = [
    ["rejected", { status: "rejected", error_code: "E_REJECTED", attempts: 1 }, 1],
    ["too_long", { status: "too_long", error_code: "E_TOO_LONG", attempts: 1 }, 1],
    ["server_error", { status: "engine_error", error_code: "E_SERVER_ERROR", attempts: 3 }, 3],
    ["deadline", { status: "engine_error", error_code: "E_DEADLINE", attempts: 3 }, 3],
    ["bad_answer", { status: "engine_error", error_code: "E_BAD_ANSWER", attempts: 3 }, 3],
  ];
  test.each(ends)("%s for ever: %j after %i requests", async (kind, expected, asks) => {
    const result = await scored(() => kind);
    expect(result).toMatchObject({ ...expected, reward: null, logprob_yes: null, error_message: `scripted ${kind}` });
    expect(result.asks).toBe(asks);
  });

  test.each(["server_error", "deadline", "bad_answer"] as const)(
    "%s twice is charged and mended by the third",
    async (kind) => {
      const result = await scored(at([kind, kind]));
      expect(result).toMatchObject({ status: "ok", attempts: 3 });
      expect(result.slept).toEqual([500, 1_000]);
    },
  );

  test.each(["busy", "lost", "unreached"] as const)("%s is never charged, however often", async (kind) => {
    const result = await scored(at(Array.from({ length: 40 }, () => kind)));
    expect(result).toMatchObject({ status: "ok", attempts: 1 });
  });

  test("a busy engine is waited for in the slot: as long as it says, never less than half a second, growing to 15 s", async () => {
    const waits = (says: Say[]) => scored(at(says)).then(({ slept }) => slept);
    expect(await waits([{ kind: "busy", retryAfterMs: 7_000 }])).toEqual([7_000]);
    expect(await waits([{ kind: "busy", retryAfterMs: 0 }])).toEqual([500]);
    expect(await waits(Array.from({ length: 8 }, () => "busy" as const))).toEqual([
      500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000,
    ]);
  });

  test("a second step that fails asks the whole row again, on the same account", async () => {
    const result = await scored(at(["server_error", "busy", "lost"], "read"));
    expect(result).toMatchObject({ status: "ok", attempts: 2 });
    expect(result.asks).toBe(8);
  });

  const answers: [string, Say, Partial<ResultRow>, number][] = [
    [
      "the token budget",
      { completion: { finishReason: "length" } },
      { status: "truncated", error_code: "E_TRUNCATED" },
      1,
    ],
    [
      "a stopped repetition",
      { completion: { finishReason: "repetition" } },
      { status: "looped", error_code: "E_LOOPED" },
      1,
    ],
    [
      "no verdict in the text",
      { completion: { content: "</think>well" } },
      { status: "no_verdict", error_code: "E_NO_VERDICT" },
      1,
    ],
    [
      "given up by the engine, for ever",
      { completion: { finishReason: "abort" } },
      { status: "engine_error", attempts: 3 },
      11,
    ],
    [
      "ended by the engine for a reason of its own, for ever",
      { completion: { finishReason: "content_filter" } },
      { status: "engine_error", attempts: 3 },
      3,
    ],
    [
      "no ids told, for ever",
      { completion: { promptTokenIds: null } },
      { status: "engine_error", error_code: "E_BAD_ANSWER", attempts: 3 },
      3,
    ],
  ];
  test.each(answers)("an answer with %s", async (_name, say, expected, asks) => {
    const result = await scored((ask) => (ask.kind === "chat" ? say : "verdict"));
    expect(result).toMatchObject({ reward: null, ...expected });
    expect(result.asks).toBe(asks);
  });

  test("an answer that the engine gave up is asked again, on nobody's account and for a minute at most", async () => {
    const abort: Say = { completion: { finishReason: "abort" } };
    const result = await scored(at(Array.from({ length: 8 }, () => abort)));
    expect(result).toMatchObject({ status: "ok", attempts: 1 });
    expect(result.slept.reduce((sum, ms) => sum + ms, 0)).toBe(60_500);
    expect(await scored(at(Array.from({ length: 9 }, () => abort)))).toMatchObject({ status: "ok", attempts: 2 });
  });

  test("a verdict with next to no mass keeps both log-probabilities and has no reward", async () => {
    const told = [ids.yes, ids.no].map((id) => ({ id, text: "", logprob: -12 + id / 1e5 }));
    const logprobs = [{ sampled: told[0]!, told }];
    const result = await scored((ask) =>
      ask.kind === "read" ? { completion: { logprobs, logprobsEnd: 1 } } : "verdict",
    );
    expect(result).toMatchObject({
      status: "no_verdict",
      reward: null,
      logprob_yes: told[0]!.logprob,
      logprob_no: told[1]!.logprob,
    });
  });

  test("a prompt with one delimiter more than its turns make is a template breach, verdict or not", async () => {
    for (const content of [{}, { content: "</think>well" }]) {
      const promptTokenIds = [
        ids.open,
        ids.open,
        ids.close,
        ids.open,
        ids.close,
        ids.open,
        ids.close,
        ids.open,
        1_000_000,
      ];
      const result = await scored((ask) =>
        ask.kind === "chat" ? { completion: { promptTokenIds, ...content } } : "verdict",
      );
      expect(result).toMatchObject({
        status: "rejected",
        error_code: "E_TEMPLATE_BREACH",
        reward: null,
        logprob_yes: null,
      });
    }
  });

  test("a response that is thinking only is decided without an engine", async () => {
    const result = await scored(() => "verdict", { response: "<think>hm" });
    expect(result).toMatchObject({ status: "no_response", attempts: 0, engine: null, reward: null, row_key: null });
    expect(result.asks).toBe(0);
  });

  test.each(["wrong_model", "denied"] as const)(
    "%s and nothing else for 15 s fences the engine for this batch only, and the row goes elsewhere",
    async (kind) => {
      const { pool, result } = await score((ask) => (ask.origin === "http://a" ? kind : "verdict"), {
        origins: ["http://a", "http://b"],
      });
      expect(result).toMatchObject({ status: "ok", attempts: 1, engine: "http://b" });
      expect(pool.fences()).toEqual([expect.stringMatching(/^test-[0-9a-f]{16} http:\/\/a: .*scripted/)]);
      const slot = await pool.acquire("another-0000000000000000", never);
      expect(slot.origin).toBe("http://a");
    },
  );

  test("a gateway that refuses for some seconds is waited for: nothing is fenced, the row is not charged", async () => {
    let nth = 0;
    const { pool, result } = await score(() => (nth++ < 4 ? "denied" : "verdict"));
    expect(result).toMatchObject({ status: "ok", attempts: 1 });
    expect(pool.fences()).toEqual([]);
    const watch = createFailureWatch();
    expect(watch.refuses("http://a", 0)).toBe(false);
    watch.answers("http://a");
    expect([20_000, 34_999, 35_000].map((now) => watch.refuses("http://a", now))).toEqual([false, false, true]);
    // twice for a moment, before the first answer that was begun in between has ended
    expect([0, 60_000, 60_500].map((now) => watch.refuses("http://b", now))).toEqual([false, false, false]);
  });

  test.each(["busy", "server_error"] as const)(
    "a row that was answered %s is not drawn back to that engine; one that lost its engine is drawn to its next home",
    async (kind) => {
      const { pool } = await score(at(["lost", kind, "lost"]), { slots: 4 });
      expect(pool.prefixes).toEqual([prefix, prefix, undefined, undefined]);
    },
  );

  test("every engine fenced ends the chunk, not the row", async () => {
    const { result } = await score(() => "wrong_model");
    expect(isAssayError((result as { error: unknown }).error, "E_ENGINES_FENCED")).toBe(true);
  });

  test("aborted in line, in a request, or in a pause: E_ABORTED and the slot is free", async () => {
    for (const say of ["hang", "busy"] as const) {
      const stop = new AbortController();
      const file = await submit(memoryStore(), `${record(7)}\n`);
      const pool = scriptedPool({ script: () => say, slots: 1 });
      const ports = { pool, clock: immediateClock(), startedAt: 0, signal: stop.signal };
      const rows = [1, 2].map(() => scoreRow(ports, contextOf(file), row).catch((error: unknown) => error));
      await until(() => pool.log.length > 0 && pool.waiting > 0);
      stop.abort();
      for (const error of await Promise.all(rows)) expect(isAssayError(error, "E_ABORTED")).toBe(true);
      expect(pool.inFlight()).toBe(0);
      expect(pool.waiting).toBe(0);
    }
  });

  test("the failure budget fences the engine, unless the failures are accepted", async () => {
    const failing = { ...createFailureWatch(), note: () => "more than half" };
    expect((await score(() => "verdict", { context: { watch: failing } })).pool.fences()).toHaveLength(1);
    const control = { state: "running", weight: 1, accept_failures: true, n: 1, last: null } as const;
    expect((await score(() => "verdict", { context: { watch: failing, control } })).pool.fences()).toEqual([]);
  });

  test("the rows that a fenced engine failed do not count against the process that takes its place", async () => {
    const file = await submit(memoryStore(), `${record(7)}\n`);
    let isSick = false;
    const pool = scriptedPool({
      origins: ["http://bad", "http://good"],
      slots: 1,
      script: ({ origin }) => (origin === "http://bad" && isSick ? "rejected" : "verdict"),
    });
    const context = contextOf(file);
    const ports = { pool, clock: immediateClock(), startedAt: 0, signal: never };
    const scoreBoth = () => Promise.all([scoreRow(ports, context, row), scoreRow(ports, context, row)]);
    for (let rows = 0; rows < 100; rows += 1) await scoreBoth();
    isSick = true;
    while (pool.fences().length === 0) await scoreBoth();
    pool.lift(file.batch);
    isSick = false;
    for (let rows = 0; rows < 60; rows += 1) await scoreBoth();
    expect(pool.fences()).toEqual([]);
  });

  test("property: a reward stands exactly where the status is ok, whatever the engine does", async () => {
    const kinds: Say[] = ["verdict", "rejected", "too_long", "busy", "lost", "server_error", "deadline", "bad_answer"];
    const completions: Say[] = [
      { completion: { finishReason: "length" } },
      { completion: { finishReason: null } },
      { completion: { tokenIds: null } },
      { completion: { promptTokenIds: [] } },
      { completion: { logprobs: null } },
      { completion: { content: "" } },
    ];
    const say = fc.constantFrom(...kinds, ...completions);
    await fc.assert(
      fc.asyncProperty(
        fc.array(say, { maxLength: 8 }),
        fc.array(say, { maxLength: 8 }),
        fc.boolean(),
        async (chats, reads, twoStep) => {
          const way = twoStep ? "two-step" : "ids";
          const script = (ask: Ask): Say => (ask.kind === "chat" ? chats : reads)[ask.nth - 1] ?? "verdict";
          const result = await scored(script, { context: { way } });
          expect(result.reward !== null).toBe(result.status === "ok");
          expect(result.error_code !== null).toBe(result.status !== "ok");
          expect(result.attempts).toBeGreaterThanOrEqual(1);
          expect(result.attempts).toBeLessThanOrEqual(3);
          if (result.status === "ok") expect(result.reward).toBe(reward(result.logprob_yes!, result.logprob_no!));
        },
      ),
      { numRuns: 200 },
    );
  });

  test("the profile under test is the one whose answers the pool plays", () => {
    expect(profile.verdict).toMatchObject({ position: "last-after-anchor", read: "two-step" });
  });
});
