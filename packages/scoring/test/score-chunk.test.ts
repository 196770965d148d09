import { AssayError, type BatchFile, endKey, isAssayError, type ResultRow, shardKey, startKey } from "@assay/core";
import { decodeShard, encodeShard } from "@assay/datasets";
import { memoryStore } from "@assay/testkit";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { BatchContext } from "../src/batch-context.ts";
import { appendControl } from "../src/control-log.ts";
import { openRowMemory } from "../src/row-memory.ts";
import { openRowsAhead } from "../src/rows-ahead.ts";
import { scoreChunk } from "../src/score-chunk.ts";
import { contextOf, never, record, records, submit } from "./build-batch.ts";
import { type Befalls, faultyStore, type StoreOperation } from "./faulty-store.ts";
import { immediateClock, until } from "./immediate-clock.ts";
import { type Ask, type Say, scriptedPool } from "./scripted-pool.ts";

const author = { id: "p", at: "2026-01-01T00:00:00.000Z", by: "test" };

interface Options {
  readonly text?: string;
  readonly script?: (ask: Ask) => Say;
  readonly slots?: number;
  readonly drain?: AbortSignal;
  readonly signal?: AbortSignal;
  readonly abort?: AbortSignal;
  readonly befalls?: (operation: StoreOperation) => Befalls;
  readonly context?: Partial<BatchContext>;
  /** what stands in the store before */
  readonly before?: (store: ReturnType<typeof memoryStore>, file: BatchFile) => unknown;
  readonly chunk?: number;
}

async function open(options: Options = {}) {
  const memory = memoryStore();
  const file = await submit(memory, options.text ?? records(16), { maxBad: 1 });
  await options.before?.(memory, file);
  const store = faultyStore(
    memory,
    options.befalls ?? (() => null),
    () => new AssayError("E_STORE_UNAVAILABLE", "played"),
  );
  const pool = scriptedPool({
    slots: options.slots ?? 4,
    ...(options.script === undefined ? {} : { script: options.script }),
  });
  const clock = immediateClock();
  let lined = 0;
  let away = 0;
  const run = () =>
    scoreChunk(
      { store, spool: null, memory: openRowMemory(), ahead: openRowsAhead(clock), pool, encodeShard, clock },
      contextOf(file, options.context),
      options.chunk ?? 0,
      {
        drain: options.drain ?? never,
        signal: options.signal ?? never,
        abort: options.abort ?? never,
        software: "0.0.0-test",
        onLined: () => {
          lined += 1;
        },
        onSpooled: () => {},
        onAway: () => {
          away += 1;
        },
        onRefused: () => {},
      },
    );
  return { memory, file, pool, clock, run, lined: () => lined, away: () => away };
}

async function shardOf(store: ReturnType<typeof memoryStore>, file: BatchFile, chunk = 0): Promise<ResultRow[] | null> {
  const bytes = store.objects.get(shardKey(file.batch, chunk));
  return bytes === undefined ? null : (await decodeShard(bytes)).rows;
}

describe("score-chunk: what is committed", () => {
  test("rows in order whatever the order of answers, one result each, bad lines and unasked ones included", async () => {
    const text = `${record(0)}\n{\n${record(1, { principles: ["a", "b", "c"] })}\n${record(2, { response: "<think>" })}\n${records(8, 3)}`;
    // the later a row stands, the sooner it is answered
    const script = ({ row, nth }: Ask): Say => (nth <= 9 - Number(/^r(\d+)/.exec(row)?.[1] ?? 9) ? "busy" : "verdict");
    const { run, memory, file, pool } = await open({ text, script, slots: 16 });
    expect(await run()).toEqual({ kind: "committed", rows: 14, ok: 12, tokens: 120, saved: 0, ignored: 0 });
    const rows = (await shardOf(memory, file)) ?? [];
    expect(rows.map(({ row_index }) => row_index)).toEqual([...Array(14).keys()]);
    expect(rows.map(({ principle }) => principle).slice(0, 6)).toEqual([
      "is it right",
      null,
      "a",
      "b",
      "c",
      "is it right",
    ]);
    expect(rows.map(({ status }) => status).slice(0, 6)).toEqual(["ok", "bad_input", "ok", "ok", "ok", "no_response"]);
    expect(pool.inFlight()).toBe(0);
  });

  test("rows stand in line in row order, so rows of one conversation are asked next to each other", async () => {
    const { run, pool } = await open({ slots: 2 });
    await run();
    const chats = pool.log.filter(({ kind }) => kind === "chat").map(({ row }) => row);
    expect(chats).toEqual(Array.from({ length: 16 }, (_, k) => `r${k}|is it right`));
  });

  test("siblings stand in line next to each other, and all rows of a line say what they share", async () => {
    const four = { principles: ["a", "b", "c", "d"] };
    const text = [record(0, four), record(1, four), record(2), record(3, { ...four, prompt: "say more" })].join("\n");
    const { run, pool } = await open({ text: `${text}\n`, slots: 2 });
    await run();
    const [first, second, third, fourth] = [0, 4, 8, 9].map((row) => pool.prefixes[row]);
    expect(pool.prefixes).toEqual([...Array(4).fill(first), ...Array(4).fill(second), third, ...Array(4).fill(fourth)]);
    // one conversation, other responses
    expect(new Set([first, second, third].map((prefix) => prefix?.conversation)).size).toBe(1);
    expect(first?.response).not.toBe(second?.response);
    expect(third?.response).toBeNull();
    expect(fourth?.conversation).not.toBe(first?.conversation);
  });

  test("the worker may go on once the rows stand in line, before they are answered", async () => {
    const stop = new AbortController();
    const { run, pool, lined } = await open({ script: () => "hang", signal: stop.signal });
    const running = run().catch((error: unknown) => error);
    await until(() => lined() === 1);
    expect(pool.waiting).toBe(12);
    stop.abort();
    await running;
  });

  test("property: one result per row and a reward exactly where ok, whatever the engine and the store do", async () => {
    const say = fc.constantFrom<Say>(
      "verdict",
      "verdict",
      "rejected",
      "busy",
      "lost",
      "server_error",
      "bad_answer",
      "too_long",
    );
    const fault = fc.constantFrom<Befalls>(null, null, "before", "after");
    const text = `${records(9)}{\n${record(9, { responses: ["x", "y"], response: null, principles: ["a", "b"] })}\n`;
    await fc.assert(
      fc.asyncProperty(fc.array(say, { maxLength: 60 }), fc.array(fault, { maxLength: 30 }), async (says, faults) => {
        let asked = 0;
        const script = (): Say => says[asked++] ?? "verdict";
        const { run, memory, file } = await open({ text, script, befalls: ({ n }) => faults[n - 1] ?? null });
        const outcome = await run();
        // an answer lost behind the put itself makes it our own shard that we find
        expect(["committed", "lost-race"]).toContain(outcome.kind);
        const rows = (await shardOf(memory, file)) ?? [];
        expect(rows.map(({ row_index }) => row_index)).toEqual([...Array(14).keys()]);
        for (const row of rows) expect(row.reward !== null).toBe(row.status === "ok");
      }),
      { numRuns: 100 },
    );
  });
});

describe("score-chunk: what is not", () => {
  test("the shard exists: nothing is asked", async () => {
    const { run, pool, memory, file } = await open({
      before: (store, { batch }) => store.objects.set(shardKey(batch, 0), new Uint8Array(1)),
    });
    expect(await run()).toEqual({ kind: "exists" });
    expect(pool.log).toEqual([]);
    expect(memory.objects.get(shardKey(file.batch, 0))).toHaveLength(1);
  });

  test.each(["paused", "cancelled", "complete"] as const)("%s: nothing is asked", async (state) => {
    const { run, pool } = await open({ before: (store, { batch }) => appendControl(store, batch, { state }, author) });
    expect(await run()).toEqual({ kind: "not-runnable" });
    expect(pool.log).toEqual([]);
  });

  test("somebody else's shard came first: ours is dropped, theirs stays", async () => {
    const theirs = new Uint8Array([1, 2, 3]);
    const { run, memory, file } = await open({
      befalls: ({ kind, key }) => {
        if (kind === "put" && key.includes("/rewards/")) memory.objects.set(key, theirs);
        return null;
      },
    });
    expect(await run()).toMatchObject({ kind: "lost-race", rows: 16, ok: 16 });
    expect(memory.objects.get(shardKey(file.batch, 0))).toBe(theirs);
  });

  test.each(["rejected", "server_error"] as const)(
    "all 16 asked rows ended in %s: not committed, with the class and one example",
    async (kind) => {
      const { run, memory, file } = await open({ script: () => kind });
      const outcome = await run();
      expect(outcome).toMatchObject({ kind: "failed-as-a-whole" });
      expect("reason" in outcome && outcome.reason).toMatch(
        new RegExp(
          `all 16 asked rows .* ended in ${kind === "rejected" ? "rejected" : "engine_error"}; row 0: scripted ${kind}`,
        ),
      );
      expect(await shardOf(memory, file)).toBeNull();
    },
  );

  test("the same is committed as it is once a person accepts it", async () => {
    const { run, memory, file } = await open({
      script: () => "rejected",
      before: (store, { batch }) => appendControl(store, batch, { accept_failures: true }, author),
    });
    expect(await run()).toMatchObject({ kind: "committed", rows: 16, ok: 0 });
    expect((await shardOf(memory, file))?.every(({ status }) => status === "rejected")).toBe(true);
  });

  const few: [string, string, (ask: Ask) => Say][] = [
    ["fewer than 16 rows", records(15), () => "rejected"],
    ["one row that is not", records(16), ({ row }) => (row.startsWith("r5|") ? "verdict" : "rejected")],
    ["two classes", records(16), ({ row }) => (row.startsWith("r5|") ? "server_error" : "rejected")],
    ["a class of the rows' own", records(16), () => "too_long"],
  ];
  test.each(few)("a chunk with %s is committed", async (_name, text, script) => {
    const { run } = await open({ text, script });
    expect(await run()).toMatchObject({ kind: "committed" });
  });
});

/** So long a checkpoint's answer is waited for before it is kept on the disk; asked for with each put. */
const putIsSilentMs = 3_000;

describe("score-chunk: a store that is away, and the end", () => {
  test("it is waited for, with the finished rows kept: no row is asked twice, nothing is lost", async () => {
    let refusals = 12;
    const { run, pool, memory, file, clock, away } = await open({
      befalls: ({ kind, key }) => (kind === "put" && key.includes("/rewards/") && refusals-- > 0 ? "before" : null),
    });
    expect(await run()).toMatchObject({ kind: "committed", ok: 16 });
    expect(pool.log).toHaveLength(32);
    expect(await shardOf(memory, file)).toHaveLength(16);
    // 1 s doubling to 30 s, so that an hour's outage is 130 questions
    const pauses = clock.slept.filter((ms) => ms !== putIsSilentMs);
    expect(pauses.slice(-12)).toEqual([1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30, 30].map((seconds) => seconds * 1_000));
    expect(away()).toBe(12);
  });

  test("a look at the control log that was slow takes nothing back that is known to be newer", async () => {
    const control = { state: "paused", weight: 1, accept_failures: false, n: 2, last: null } as const;
    const { run, pool } = await open({
      before: (store, { batch }) => appendControl(store, batch, { accept_failures: true }, author),
      context: { control },
    });
    expect(await run()).toEqual({ kind: "not-runnable" });
    expect(pool.log).toEqual([]);
  });

  test("of a batch that is known to be stopped no rows are read before its control log says otherwise", async () => {
    const control = { state: "paused", weight: 1, accept_failures: false, n: 1, last: null } as const;
    const read: string[] = [];
    const befalls = ({ key }: StoreOperation): Befalls => {
      if (key.includes("/rows/")) read.push(key);
      return null;
    };
    const { run, memory, file } = await open({
      before: (store, { batch }) => appendControl(store, batch, { state: "paused" }, author),
      context: { control },
      befalls,
    });
    expect(await run()).toEqual({ kind: "not-runnable" });
    expect(read).toEqual([]);
    await appendControl(memory, file.batch, { state: "running" }, { ...author, id: "b" });
    expect((await run()).kind).toBe("committed");
    expect(read).toHaveLength(1);
  });

  test("rows that are not the plan's are E_BROKEN and nothing is asked", async () => {
    const { run, pool } = await open({
      text: records(40),
      before: (store, { batch }) =>
        store.objects.set(`${batch}/rows/000000.jsonl.gz`, store.objects.get(`${batch}/rows/000001.jsonl.gz`)!),
    });
    const error = await run().catch((thrown: unknown) => thrown);
    expect(isAssayError(error, "E_BROKEN")).toBe(true);
    expect(pool.log).toEqual([]);
  });

  test("every engine fenced: E_ENGINES_FENCED, nothing committed, and no row still talks to an engine", async () => {
    const { run, pool, memory, file } = await open({
      script: ({ row }) => (row.startsWith("r3|") ? "denied" : row.startsWith("r0|") ? "hang" : "verdict"),
    });
    const error = await run().catch((thrown: unknown) => thrown);
    expect(isAssayError(error, "E_ENGINES_FENCED")).toBe(true);
    expect(await shardOf(memory, file)).toBeNull();
    expect(pool.inFlight()).toBe(0);
  });

  test("aborted at any operation of the store or any request: E_ABORTED, no shard, every slot free", async () => {
    for (let at = 1; ; at += 1) {
      const stop = new AbortController();
      let steps = 0;
      let put = 0;
      const step = (): void => {
        steps += 1;
        if (steps === at) stop.abort();
      };
      const { run, pool, memory, file } = await open({
        signal: stop.signal,
        script: () => {
          step();
          return "verdict";
        },
        befalls: ({ kind, key }) => {
          step();
          if (kind === "put" && key.includes("/rewards/")) put = steps;
          return null;
        },
      });
      const error = await run().then(
        (outcome) => outcome.kind,
        (thrown: unknown) => thrown,
      );
      expect(pool.inFlight()).toBe(0);
      expect(pool.waiting).toBe(0);
      if (error === "committed") {
        // the put itself was under way
        expect(at).toBeGreaterThanOrEqual(put);
        break;
      }
      expect(isAssayError(error, "E_ABORTED")).toBe(true);
      // but for the put that was under way: nobody waits for its answer
      if (at !== put) expect(await shardOf(memory, file)).toBeNull();
    }
  });
});

test("somebody begins between our look and our start, and has ended when we look again: asked as nobody had begun", async () => {
  const other = "e".repeat(16);
  const nothing = new Uint8Array();
  let lists: number | null = null;
  const { memory, file, run } = await open({
    befalls: ({ kind, key }) => {
      if (kind === "put" && key.endsWith(".start")) {
        memory.objects.set(startKey(file.batch, 0, other), nothing);
        lists = 0;
      }
      if (kind === "list" && key.includes("/partial/") && lists !== null) {
        lists += 1;
        // the first is that of our own begin
        if (lists === 2) memory.objects.set(endKey(file.batch, 0, other), nothing);
      }
      return null;
    },
  });
  expect(await run()).toMatchObject({ kind: "committed", rows: 16, ok: 16 });
  expect(lists).toBeGreaterThanOrEqual(2);
});
