import {
  AssayError,
  type BatchFile,
  batchKey,
  controlKey,
  isAssayError,
  pinKey,
  type ResultRow,
  rowsKey,
  type ShardMetadata,
  shardKey,
  successKey,
  summaryKey,
} from "@assay/core";
import { decodeShard, encodeShard } from "@assay/datasets";
import { memoryStore } from "@assay/testkit";
import { beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { summariseBatch, summaryBytes } from "../src/finalize-batch.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { record, records, submit } from "./build-batch.ts";
import { faultyStore } from "./faulty-store.ts";
import { scriptedPool } from "./scripted-pool.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";

/** A finished batch of three chunks with failures of several kinds, and another one of the same shape beside it. */
let file: BatchFile;
let other: BatchFile;
let finished: ReadonlyMap<string, Uint8Array>;
beforeAll(async () => {
  const memory = memoryStore();
  const text = (from: number): string =>
    `${records(34, from)}{\n${record(from + 40, { principles: ["a", "b"], score: 1 })}\n${record(from + 41, { response: "<think>" })}\n`;
  file = await submit(memory, text(0));
  other = await submit(memory, text(100));
  const script = ({ row }: { row: string }) => (row.startsWith("r5|") ? ("rejected" as const) : ("verdict" as const));
  expect(await startWorker({ store: memory, queue: wipeableQueue(), pool: scriptedPool({ script }) }).ended).toBe(
    "idle",
  );
  finished = new Map(memory.objects);
});

let store: ReturnType<typeof memoryStore>;
beforeEach(() => {
  store = memoryStore();
  for (const [key, bytes] of finished) store.objects.set(key, bytes);
});

const verify = (from: Parameters<typeof verifyBatch>[0]["store"] = store) =>
  verifyBatch({ store: from, decodeShard }, file.batch);
const put = (key: string, text: string): unknown => store.objects.set(key, Buffer.from(text));

/** Encodes a shard anew with something changed; `resummarise` plays a forger who mends the summary, too. */
async function forge(
  chunk: number,
  change: (rows: ResultRow[]) => ResultRow[],
  metadata: Partial<ShardMetadata> = {},
): Promise<void> {
  const decoded = await decodeShard(store.objects.get(shardKey(file.batch, chunk))!);
  const bytes = encodeShard(
    change(decoded.rows),
    { ...(decoded.metadata as unknown as ShardMetadata), ...metadata },
    decoded.columns,
  );
  store.objects.set(shardKey(file.batch, chunk), bytes);
  const summary = await summariseBatch({ store, decodeShard }, file);
  store.objects.set(summaryKey(file.batch), summaryBytes(summary));
}

describe("verify-batch: what holds", () => {
  test("a finished batch, with what stands under partial/ beside it", async () => {
    put(`${file.batch}/partial/000001/x.start`, "");
    put(`${file.batch}/reads.json`, '{"may_mix":true,"median":0,"p95":0,"pairs":[],"rows":64}');
    const seen: number[] = [];
    const report = await verifyBatch({ store, decodeShard }, file.batch, {
      onProgress: (chunks) => seen.push(chunks),
    });
    expect(report).toEqual({
      batch: file.batch,
      complete: true,
      chunks: 3,
      doneChunks: 3,
      rows: 38,
      doneRows: 38,
      status: { ok: 35, rejected: 1, bad_input: 1, no_response: 1 },
      simulated: false,
      engineVersions: ["0.32.0"],
      retries: [],
      unstaged: null,
      broken: null,
    });
    expect(seen).toEqual([1, 2, 3]);
  });

  test("an unfinished batch: how far it is, and that the promises hold so far", async () => {
    for (const key of [
      successKey(file.batch),
      summaryKey(file.batch),
      controlKey(file.batch, 1),
      shardKey(file.batch, 1),
    ])
      store.objects.delete(key);
    expect(await verify()).toMatchObject({ complete: false, broken: null, doneChunks: 2, doneRows: 22 });
    for (const chunk of [0, 2]) store.objects.delete(shardKey(file.batch, chunk));
    store.objects.delete(pinKey(file.batch));
    expect(await verify()).toMatchObject({ complete: false, broken: null, doneChunks: 0 });
  });

  test("a batch that ends while its folder is listed: its summary says more than the pages seen, and nothing is broken", async () => {
    const late = new Set([successKey(file.batch), shardKey(file.batch, 2)]);
    const growing = {
      ...store,
      async *list(...asked: Parameters<typeof store.list>) {
        for await (const info of store.list(...asked)) if (!late.has(info.key)) yield info;
      },
    };
    expect(await verify(growing)).toMatchObject({ complete: false, broken: null, doneChunks: 2 });
  });

  test("a store that does not answer breaks no promise: it is thrown on", async () => {
    for (let k = 1; k <= 12; k += 1) {
      const away = faultyStore(
        store,
        ({ n }) => (n === k ? "before" : null),
        () => new AssayError("E_STORE_UNAVAILABLE", "played"),
      );
      const error = await verify(away).catch((thrown: unknown) => thrown);
      expect(isAssayError(error, "E_STORE_UNAVAILABLE")).toBe(true);
    }
  });

  test("no batch, and a batch.json that nobody can read", async () => {
    const codes: [string, string][] = [
      ["", "E_BROKEN"],
      [JSON.stringify({ ...file, format: 2 }), "E_USAGE"],
      [JSON.stringify(other), "E_BROKEN"],
    ];
    for (const [text, code] of codes) {
      put(batchKey(file.batch), text);
      expect(await verify().catch((error: AssayError) => error.code)).toBe(code);
    }
    store.objects.delete(batchKey(file.batch));
    expect(await verify().catch((error: AssayError) => error.code)).toBe("E_NO_SUCH_BATCH");
  });
});

describe("verify-batch: a folder that was tampered with", () => {
  const tamperings: [string, () => unknown, { promise: string; what: RegExp; where?: RegExp }][] = [
    [
      "a shard gone",
      () => store.objects.delete(shardKey(file.batch, 1)),
      { promise: "P1", what: /shard.*gone/, where: /000001\.parquet/ },
    ],
    [
      "another chunk's shard",
      () => store.objects.set(shardKey(file.batch, 1), finished.get(shardKey(file.batch, 0))!),
      { promise: "P2", what: /not the one/ },
    ],
    [
      "another batch's shard",
      () => store.objects.set(shardKey(file.batch, 1), finished.get(shardKey(other.batch, 1))!),
      { promise: "P2", what: /not the one/ },
    ],
    [
      "a shard cut short",
      () => store.objects.set(shardKey(file.batch, 2), finished.get(shardKey(file.batch, 2))!.slice(0, -9)),
      { promise: "P2", what: /not the one/, where: /000002/ },
    ],
    [
      "a foreign file",
      () => put(`${file.batch}/notes.txt`, "hi"),
      { promise: "P1", what: /not part/, where: /notes\.txt/ },
    ],
    ["a shard of no chunk", () => put(`${file.batch}/rewards/000003.parquet`, ""), { promise: "P1", what: /not part/ }],
    [
      "a shard one folder down",
      () => put(`${file.batch}/old/rewards/000000.parquet`, ""),
      { promise: "P1", what: /not part/ },
    ],
    [
      "a control entry of another name",
      () => put(`${file.batch}/control/1.json`, "{}"),
      { promise: "P1", what: /not part/ },
    ],
    [
      "rows gone",
      () => store.objects.delete(rowsKey(file.batch, 0)),
      { promise: "P1", what: /rows are gone/, where: /rows\/000000/ },
    ],
    [
      "rows gone, hidden by a look-alike",
      () => {
        store.objects.delete(rowsKey(file.batch, 0));
        put(`${file.batch}/old/rewards/000000.parquet`, "");
      },
      { promise: "P1", what: /not part|gone/ },
    ],
    [
      "rows of another chunk",
      () => store.objects.set(rowsKey(file.batch, 0), finished.get(rowsKey(file.batch, 1))!),
      { promise: "P1", what: /not those of the plan/, where: /rows\/000000/ },
    ],
    [
      "rows that are no gzip",
      () => put(rowsKey(file.batch, 2), "x"),
      { promise: "P1", what: /unpacked/, where: /rows\/000002/ },
    ],
    ["no summary", () => store.objects.delete(summaryKey(file.batch)), { promise: "P2", what: /without summary/ }],
    ["a summary of nothing", () => put(summaryKey(file.batch), "null"), { promise: "P2", what: /summary\.json/ }],
    ["a summary that is no JSON", () => put(summaryKey(file.batch), "{"), { promise: "P2", what: /summary\.json/ }],
    ["a summary without shards", () => put(summaryKey(file.batch), "{}"), { promise: "P2", what: /not the one/ }],
    [
      "a summary with another sum",
      () => changeSummary((summary) => ({ ...summary, reward_sum: 1e9 })),
      { promise: "P2", what: /does not say what the shards say/ },
    ],
    [
      "a summary with another count",
      () => changeSummary((summary) => ({ ...summary, status: { ok: 38 } })),
      { promise: "P2", what: /does not say/ },
    ],
    [
      "no complete in the log",
      () => store.objects.delete(controlKey(file.batch, 1)),
      { promise: "P2", what: /control log/ },
    ],
    [
      "cancelled after _SUCCESS",
      () =>
        store.objects.set(
          controlKey(file.batch, 2),
          Buffer.from(text(controlKey(file.batch, 1)).replace("complete", "cancelled")),
        ),
      { promise: "P2", what: /control log/ },
    ],
    [
      "a control entry that is none",
      () => put(controlKey(file.batch, 1), "{}"),
      { promise: "P2", what: /control entry/, where: /000001\.json/ },
    ],
    ["no pin", () => store.objects.delete(pinKey(file.batch)), { promise: "P2", what: /without pin/ }],
    [
      "another pin",
      () => put(pinKey(file.batch), text(pinKey(file.batch)).replace(/"template":"./, '"template":"_')),
      { promise: "P2", what: /assay\.pin_sha256/ },
    ],
    [
      "another plan",
      () => put(batchKey(file.batch), JSON.stringify({ ...file, seed: 7 })),
      { promise: "P5", what: /not the plan/ },
    ],
    [
      "a plan with another hash",
      () => put(batchKey(file.batch), JSON.stringify({ ...file, chunks: other.chunks })),
      { promise: "P5", what: /not the plan/ },
    ],
    [
      "a plan that leaves rows out",
      () =>
        put(
          batchKey(file.batch),
          JSON.stringify({
            ...file,
            chunks: file.chunks.map((chunk, i) => (i === 1 ? { ...chunk, row_start: 17 } : chunk)),
          }),
        ),
      { promise: "P1", what: /leave out or double/ },
    ],
    [
      "a plan that counts other rows",
      () => put(batchKey(file.batch), JSON.stringify({ ...file, counts: { ...file.counts, rows: 39 } })),
      { promise: "P1", what: /do not hold/ },
    ],
  ];
  const text = (key: string): string => Buffer.from(store.objects.get(key) ?? new Uint8Array()).toString();
  const changeSummary = (change: (summary: object) => object): unknown =>
    put(summaryKey(file.batch), JSON.stringify(change(JSON.parse(text(summaryKey(file.batch))) as object)));

  test.each(tamperings)("%s", async (_name, tamper, { promise, what, where = /./ }) => {
    await tamper();
    const { broken } = await verify();
    expect(broken).toMatchObject({ promise, what: expect.stringMatching(what), where: expect.stringMatching(where) });
  });

  test("one byte of a shard flipped, at any place: found by its hash, before anything is decoded", async () => {
    const key = shardKey(file.batch, 1);
    const whole = finished.get(key)!;
    let flipped = whole;
    let reached = false;
    const looking = (bytes: Uint8Array) => {
      reached ||= Buffer.compare(bytes, flipped) === 0;
      return decodeShard(bytes);
    };
    for (let at = 0; at < whole.length; at += 97) {
      flipped = whole.slice();
      flipped[at]! ^= 1 << (at % 8);
      store.objects.set(key, flipped);
      const { broken } = await verifyBatch({ store, decodeShard: looking }, file.batch);
      expect(broken).toMatchObject({ promise: "P2", where: key });
    }
    expect(reached).toBe(false);
  });

  test("half a shard in a batch that has no summary yet is P6, with its name", async () => {
    for (const key of [successKey(file.batch), summaryKey(file.batch)]) store.objects.delete(key);
    store.objects.set(shardKey(file.batch, 1), finished.get(shardKey(file.batch, 1))!.slice(0, 900));
    expect(await verify()).toMatchObject({
      complete: false,
      broken: { promise: "P6", where: shardKey(file.batch, 1) },
    });
  });
});

describe("verify-batch: a forger who mends the summary, too", () => {
  const change = (at: number, changed: Partial<ResultRow>) => (rows: ResultRow[]) =>
    rows.map((row, i) => (i === at ? { ...row, ...changed } : row));
  const forgeries: [string, (rows: ResultRow[]) => ResultRow[], string, RegExp][] = [
    ["a row left out", (rows) => rows.slice(1), "P1", /one result per row/],
    ["a row twice", (rows) => [...rows, rows[0]!], "P1", /one result per row/],
    ["a row in place of another", (rows) => [rows[0]!, rows[0]!, ...rows.slice(2)], "P1", /column row_index/],
    ["two rows exchanged", ([a, b, ...rest]) => [b!, a!, ...rest], "P1", /column row_index/],
    [
      "the rewards of two rows exchanged",
      ([a, b, ...rest]) => [{ ...a!, reward: b!.reward }, { ...b!, reward: a!.reward }, ...rest],
      "P8",
      /not what its log-probabilities give/,
    ],
    ["a reward made up", change(0, { reward: 50 }), "P8", /not what its log-probabilities give/],
    ["ok without log-probabilities", change(0, { logprob_yes: null }), "P8", /lacks/],
    ["another way of reading", change(0, { read: "ids" }), "P8", /not found to agree/],
    ["a reading from a list", change(0, { read: "top" }), "P8", /lists of the likeliest/],
    ["another id", change(0, { id: "x" }), "P1", /column id/],
    ["another group", change(0, { group: "x" }), "P1", /column group/],
    ["another line", change(0, { input_line: 99 }), "P1", /column input_line/],
    ["another principle", change(0, { principle: "x" }), "P1", /column principle/],
    ["what the user brought, changed", change(0, { carried: '{"score":2}' }), "P1", /column carried/],
    [
      "a good record said to be bad",
      change(0, { status: "bad_input", reward: null, row_key: null }),
      "P1",
      /said to be bad/,
    ],
    ["another batch", change(0, { batch: "x" }), "P1", /another batch/],
    ["another model", change(0, { model: "x" }), "P1", /another model/],
    ["an asked row without its key", change(0, { row_key: null }), "P1", /row_key/],
  ];
  test.each(forgeries)("%s", async (_name, forging, promise, what) => {
    await forge(0, forging);
    expect((await verify()).broken).toMatchObject({
      promise,
      what: expect.stringMatching(what),
      where: expect.stringMatching(/000000\.parquet/),
    });
  });

  const footers: (keyof ShardMetadata)[] = [
    "assay.batch",
    "assay.batch_sha256",
    "assay.chunk",
    "assay.profile_sha256",
    "assay.model",
    "assay.pin_sha256",
    "assay.simulated",
    "assay.logprobs",
    "assay.schema",
  ];
  test.each(footers)("footer %s of another", async (key) => {
    await forge(1, (rows) => rows, { [key]: "another" });
    expect((await verify()).broken).toMatchObject({
      promise: "P2",
      what: expect.stringContaining(key),
      got: "another",
    });
  });

  test("a bad record given a result", async () => {
    await forge(2, (rows) => rows.map((row) => (row.status === "bad_input" ? { ...row, status: "no_response" } : row)));
    expect((await verify()).broken).toMatchObject({ promise: "P1", what: expect.stringMatching(/column status/) });
  });

  test("a reward without ok cannot even be written", async () => {
    const forging = forge(0, change(5, { reward: 1 })).catch((error: AssayError) => error.code);
    expect(await forging).toBe("E_SHARD_SCHEMA");
  });
});
