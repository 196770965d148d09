import {
  type BatchFile,
  type Profile,
  pinKey,
  pinSchema,
  profileByName,
  type ReadsFile,
  type ResultRow,
  readsKey,
  setProfile,
  shardKey,
} from "@assay/core";
import { decodeKeys, decodeShard, encodeShard, readOwnRecords } from "@assay/datasets";
import { engineAgentOptions, openEngines } from "@assay/engine/openai";
import { inProcessQueue } from "@assay/queue/in-process";
import { planBatch, runWorker, stageBatch, verifyBatch, type WorkerEvent } from "@assay/scoring";
import { type SimulatorOptions, startSimulator } from "@assay/simulator";
import { memoryStore } from "@assay/testkit";
import { describe, expect, jest, test } from "@jest/globals";
import { Agent } from "undici";
import { submitSettings } from "../submit-settings.ts";

/** Which way a batch's rows are read in, on engines whose cache holds, whose cache does not, and whose ways differ. */

jest.setTimeout(120_000);

const model = "simulator";
const never = new AbortController().signal;
const base = setProfile(
  profileByName("genrm-principle") ?? raise("no such profile"),
  new Map([["max_tokens", "1000"]]),
);

/** A cache that holds some four of the rows below. */
const tiny: SimulatorOptions = { maxModelLen: 2_048, kvBlocks: 128, promptTokensDetails: true, reasoningTokens: 40 };
const large: SimulatorOptions = { ...tiny, kvBlocks: 8_192 };
/** 50 second requests, what is in flight then, and 64 rows read both ways are fewer. */
const rows = 220;
const inFlight = 16;

const input = Array.from({ length: rows }, (_, i) =>
  JSON.stringify({
    prompt: `Say something about ${i}.`,
    response: `About ${i}: ${"so it goes ".repeat(30)}`,
    principle: "short",
  }),
).join("\n");

interface Scored {
  readonly file: BatchFile;
  readonly rows: readonly ResultRow[];
  readonly reads: ReadsFile | null;
  readonly told: readonly (WorkerEvent & { type: "way" })[];
  readonly pinned: string | undefined;
  readonly store: ReturnType<typeof memoryStore>;
}

async function score(options: SimulatorOptions, profile: Profile, store = memoryStore()): Promise<Scored> {
  const simulator = await startSimulator({ model, ...options });
  const agent = new Agent(engineAgentOptions());
  const engines = openEngines({ urls: [simulator.url], agent, apiKey: null, inFlight, onWarning: () => {} });
  try {
    const file = await submit(store, profile);
    const events: WorkerEvent[] = [];
    const queue = inProcessQueue("ways");
    await runWorker(
      {
        disk: null,
        store,
        queue,
        pool: engines.pool,
        probe: (asked, revision) => engines.probe(asked, model, revision),
        encodeShard,
        decodeShard,
        decodeKeys,
        clock: { now: () => Date.now(), random: () => "0".repeat(16), sleep: async () => {}, every: () => () => {} },
      },
      {
        model,
        name: "ways",
        software: "test",
        only: file.batch,
        untilIdle: true,
        drainMs: null,
        drain: never,
        abort: never,
        onEvent: (event) => void events.push(event),
      },
    );
    expect(await verifyBatch({ store, decodeShard }, file.batch)).toMatchObject({ complete: true, rows, broken: null });
    const json = <T>(key: string): T | null => {
      const bytes = store.objects.get(key);
      return bytes === undefined ? null : (JSON.parse(new TextDecoder().decode(bytes)) as T);
    };
    return {
      file,
      rows: await rowsOf(store, file),
      reads: json<ReadsFile>(readsKey(file.batch)),
      told: events.flatMap((event) => (event.type === "way" ? [event] : [])),
      pinned: pinSchema.parse(json(pinKey(file.batch))).read,
      store,
    };
  } finally {
    await engines.close();
    await agent.destroy();
    await simulator.close();
  }
}

/** An answer that reached the token budget was not read. */
const ways = (scored: Scored): ReadonlySet<string | null> =>
  new Set(scored.rows.filter(({ status }) => status !== "truncated").map(({ read }) => read));

describe("two steps hand over to exact ids", () => {
  test("where the cache forgets rows between their two requests: 64 rows are read both ways first", async () => {
    const scored = await score(tiny, base);
    expect(scored.reads).toMatchObject({ rows: 64, may_mix: true, p95: expect.closeTo(0, 6) });
    expect(scored.told).toMatchObject([{ way: "ids", reason: expect.stringContaining("computes") }]);
    expect(ways(scored)).toEqual(new Set(["two-step", "ids"]));
    expect(scored.pinned).toBe("two-step");
    // at least 50 second requests, then the 64: all of these count as the batch's first way
    expect(scored.rows.filter(({ read }) => read === "two-step").length).toBeGreaterThanOrEqual(50 + 64);
    // read both ways is asked once: the pair of such a row is its stored reward
    const stored = new Map(scored.rows.map(({ row_index, reward }) => [row_index, reward]));
    for (const { row_index, two_step } of scored.reads?.pairs ?? []) expect(stored.get(row_index)).toBe(two_step);
  });

  test("and not where it keeps them", async () => {
    const scored = await score(large, base);
    expect(ways(scored)).toEqual(new Set(["two-step"]));
    expect([scored.reads, scored.told]).toEqual([null, []]);
  });

  test("and not where two steps are insisted on", async () => {
    const scored = await score(tiny, setProfile(base, new Map([["read", "two-step"]])));
    expect(ways(scored)).toEqual(new Set(["two-step"]));
    expect([scored.reads, scored.told]).toEqual([null, []]);
  });

  test("and not where the two ways differ on this engine: the batch stays with its first way, and says so", async () => {
    const scored = await score({ ...tiny, prefillShift: 0.5 }, base);
    expect(scored.reads).toMatchObject({ rows: 64, may_mix: false, p95: expect.closeTo(0.5, 1) });
    expect(scored.told).toMatchObject([{ way: "two-step", reason: expect.stringContaining("too much to change") }]);
    expect(ways(scored)).toEqual(new Set(["two-step"]));
  });
});

describe("lists of the likeliest tokens never mix with exact ids", () => {
  const topOnly: SimulatorOptions = { ...large, knows: { logprobTokenIds: false, returnTokenIds: false } };

  test("a batch begun with exact ids is not gone on with on a server of lists, nor the other way round", async () => {
    for (const [first, second, named] of [
      [large, topOnly, /two-step.*top/s],
      [topOnly, large, /top, lists of 20.*two-step/s],
    ] as const) {
      const begun = await score(first, base);
      const key = shardKey(begun.file.batch, 3);
      begun.store.objects.delete(key);
      for (const name of ["summary.json", "_SUCCESS"]) begun.store.objects.delete(`${begun.file.batch}/${name}`);
      for (const control of [...begun.store.objects.keys()].filter((one) => one.includes("/control/")))
        begun.store.objects.delete(control);
      const refused = await score(second, base, begun.store).then(
        () => raise("it was not refused"),
        (error: { code?: string; expected?: string; got?: string }) => error,
      );
      expect(refused.code).toBe("E_PIN_MISMATCH");
      expect(`${refused.expected} ${refused.got}`).toMatch(named);
      expect(begun.store.objects.has(key)).toBe(false);
    }
  });
});

async function submit(store: ReturnType<typeof memoryStore>, profile: Profile): Promise<BatchFile> {
  const source = async function* () {
    yield new TextEncoder().encode(input);
  };
  const inputs = [
    {
      input: "in.jsonl",
      where: "in.jsonl",
      open: async () => source(),
      ranges: () => Promise.reject(new Error("a JSONL file is read from its start")),
    },
  ];
  const settings = submitSettings(model, profile, "ways");
  const planned = await planBatch(inputs, settings, readOwnRecords);
  return (await stageBatch(store, planned, inputs, settings, readOwnRecords, { signal: never })).file;
}

async function rowsOf(store: ReturnType<typeof memoryStore>, file: BatchFile): Promise<ResultRow[]> {
  const shards = await Promise.all(
    file.chunks.map(async (_, chunk) =>
      decodeShard((await store.get(shardKey(file.batch, chunk))) ?? raise("no shard")),
    ),
  );
  return shards.flatMap((shard) => [...shard.rows]);
}

function raise(what: string): never {
  throw new Error(what);
}
