import {
  type BatchFile,
  batchKey,
  pinKey,
  type ResultRow,
  type RetryLink,
  retryKey,
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
import { linkRetry } from "../src/link-retry.ts";
import { stageRetry } from "../src/stage-retry.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { never, record, records, submit } from "./build-batch.ts";
import { type Ask, type Say, scriptedPool } from "./scripted-pool.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";

let head: BatchFile;
let children: BatchFile[];
let finished: ReadonlyMap<string, Uint8Array>;
let store: ReturnType<typeof memoryStore>;

async function score(plays: (row: number) => Say): Promise<void> {
  const script = (ask: Ask): Say => (ask.kind === "chat" ? plays(Number(/^r(\d+)/.exec(ask.row)?.[1])) : "verdict");
  const worker = startWorker({ store, queue: wipeableQueue(), pool: scriptedPool({ slots: 16, script }) });
  expect(await worker.ended).toBe("idle");
}

/** 41 rows, 12 of them cut; the first retry leaves 4 of these cut, the second none. */
beforeAll(async () => {
  store = memoryStore();
  const columns = [{ name: "label", type: "int64" as const }];
  head = await submit(
    store,
    `${Array.from({ length: 40 }, (_, k) => record(k, { label: k, score: k / 2 })).join("\n")}\n{"broken\n`,
    {
      batch: { columns },
      records: { roles: ["user"], principles: ["is it right"], map: {}, columns, carryAll: false },
    },
  );
  const cut: Say = { completion: { finishReason: "length" } };
  await score((row) => (row < 12 ? cut : "verdict"));
  children = [];
  for (const left of [4, 0]) {
    const wanted = {
      status: ["truncated" as const],
      set: new Map([["max_tokens", String(20_000 + left)]]),
      again: false,
    };
    const linked = await linkRetry({ store, decodeShard }, head, wanted, { at: "2026-02-01T00:00:00.000Z", by: "x" });
    children.push(await stageRetry({ store, decodeShard }, head, linked!.n, { software: "0.0.0-test", signal: never }));
    await score((row) => (row < left ? cut : "verdict"));
  }
  finished = new Map(store.objects);
});
beforeEach(() => {
  store = memoryStore();
  for (const [key, bytes] of finished) store.objects.set(key, bytes);
});

const verify = (batch = head.batch, deep = false) => verifyBatch({ store, decodeShard }, batch, { deep });
const json = <T>(key: string): T => JSON.parse(Buffer.from(store.objects.get(key)!).toString()) as T;
const put = (key: string, value: unknown): unknown => store.objects.set(key, Buffer.from(JSON.stringify(value)));

/** Encodes a shard anew with something changed, and mends the summary, too. */
async function forge(file: BatchFile, chunk: number, change: (rows: ResultRow[]) => ResultRow[]): Promise<void> {
  const decoded = await decodeShard(store.objects.get(shardKey(file.batch, chunk))!);
  const metadata = decoded.metadata as unknown as ShardMetadata;
  store.objects.set(shardKey(file.batch, chunk), encodeShard(change(decoded.rows), metadata, decoded.columns));
  store.objects.set(summaryKey(file.batch), summaryBytes(await summariseBatch({ store, decodeShard }, file)));
}

describe("verify: a family", () => {
  test.each([false, true])("holds, with what each retry came to (deep: %s)", async (deep) => {
    expect(await verify(head.batch, deep)).toMatchObject({
      complete: true,
      status: { ok: 28, truncated: 12, bad_input: 1 },
      retries: [
        { batch: `${head.batch}-r1`, complete: true, rows: 12, doneRows: 12, status: { ok: 8, truncated: 4 } },
        { batch: `${head.batch}-r2`, complete: true, rows: 4, doneRows: 4, status: { ok: 4 } },
      ],
      unstaged: null,
      broken: null,
    });
    for (const { batch } of children)
      expect(await verify(batch, deep)).toMatchObject({ complete: true, broken: null, retries: [] });
  });

  test("that is not finished holds so far: a retry that runs, one that is only linked", async () => {
    const [first, second] = children;
    for (const key of [successKey(second!.batch), summaryKey(second!.batch), shardKey(second!.batch, 0)])
      store.objects.delete(key);
    expect(await verify()).toMatchObject({
      complete: true,
      broken: null,
      retries: [{ complete: true }, { complete: false }],
    });
    for (const key of [...store.objects.keys()]) if (key.startsWith(`${second!.batch}/`)) store.objects.delete(key);
    expect(await verify()).toMatchObject({ broken: null, retries: [{ batch: first!.batch }], unstaged: second!.batch });
  });

  const tamperings: [string, () => unknown, RegExp, RegExp][] = [
    ["a gap in the chain", () => store.objects.delete(retryKey(head.batch, 1)), /gap/, /0002\.json/],
    ["a link that is none", () => put(retryKey(head.batch, 2), {}), /link of a retry/, /0002\.json/],
    [
      "a retry begun before the one before it was complete",
      () => store.objects.delete(successKey(children[0]!.batch)),
      /begun before/,
      /-r2/,
    ],
    [
      "a link that names other rows",
      () => {
        const link = json<RetryLink>(retryKey(head.batch, 1));
        put(retryKey(head.batch, 1), { ...link, filter: { status: ["looped"] } });
      },
      /does not ask every row/,
      /-r1/,
    ],
    [
      "a link with other settings",
      () => {
        const link = json<RetryLink>(retryKey(head.batch, 1));
        put(retryKey(head.batch, 1), { ...link, set: { max_tokens: "1000" } });
      },
      /profile is not what its link makes/,
      /-r1/,
    ],
    [
      "a child of another pin",
      () => put(pinKey(children[1]!.batch), { ...json<object>(pinKey(children[1]!.batch)), simulated: true }),
      /pinned to other engines/,
      /-r2/,
    ],
    [
      "a child's plan of other rows",
      () => put(batchKey(children[0]!.batch), { ...json<object>(batchKey(children[0]!.batch)), seed: 7 }),
      /seed is not what its link makes/,
      /-r1/,
    ],
    ["a child's shard gone", () => store.objects.delete(shardKey(children[1]!.batch, 0)), /shard.*gone/, /-r2/],
    [
      "a row of the batch made ok behind the retry's back: it is ok twice",
      () =>
        forge(head, 0, (rows) =>
          rows.map((row) =>
            row.row_index === 7
              ? { ...row, status: "ok", reward: 0, logprob_yes: -1, logprob_no: -1, error_code: null }
              : row,
          ),
        ),
      /does not ask every row/,
      /-r1/,
    ],
  ];
  test.each(tamperings)("%s", async (_name, tamper, what, where) => {
    await tamper();
    expect((await verify()).broken).toMatchObject({
      what: expect.stringMatching(what),
      where: expect.stringMatching(where),
    });
  });

  test("two rows' statuses exchanged behind the retry's back: as many are asked, and one of them was ok", async () => {
    await forge(head, 0, (rows) => {
      const other = {
        ok: rows.find(({ status }) => status === "ok")!,
        cut: rows.find(({ row_index }) => row_index === 2)!,
      };
      const exchange = (row: ResultRow, from: ResultRow): ResultRow => ({
        ...row,
        status: from.status,
        reward: from.reward,
        logprob_yes: from.logprob_yes,
        logprob_no: from.logprob_no,
      });
      return rows.map((row) =>
        row === other.ok ? exchange(row, other.cut) : row === other.cut ? exchange(row, other.ok) : row,
      );
    });
    expect((await verify()).broken).toMatchObject({
      what: expect.stringMatching(/has its reward was asked again/),
      where: expect.stringMatching(/-r1 row 2/),
    });
  });
});

describe("verify --deep", () => {
  test("a row_key that is not what the row asks is found by it alone", async () => {
    await forge(head, 1, (rows) => rows.map((row, i) => (i === 3 ? { ...row, row_key: "0".repeat(64) } : row)));
    expect(await verify()).toMatchObject({ broken: null });
    expect((await verify(head.batch, true)).broken).toMatchObject({
      promise: "P1",
      what: expect.stringMatching(/row_key/),
      got: "0".repeat(64),
    });
  });

  test("rows of a child that are not its batch's own, with a plan that fits them, are found by it alone", async () => {
    const child = children[1]!;
    const other = await submit(store, records(4, 900));
    const forged = { ...child, chunks: [{ ...other.chunks[0]!, row_start: 0 }] };
    store.objects.set(rowsKey(child.batch, 0), store.objects.get(rowsKey(other.batch, 0))!);
    put(batchKey(child.batch), forged);
    expect((await verify(child.batch, true)).broken).toMatchObject({
      what: expect.stringMatching(/rows are not those/),
    });
  });
});

test("a user's column that is not what was carried along is found", async () => {
  await forge(head, 1, (rows) => rows.map((row, i) => (i === 3 ? { ...row, columns: { in_label: 99 } } : row)));
  expect((await verify()).broken).toMatchObject({
    promise: "P1",
    what: expect.stringMatching(/column in_label/),
    expected: "19",
    got: "99",
  });
});

test("no promise is broken by a batch that ends and is retried while it is verified", async () => {
  let listed = false;
  const growing = memoryStore((operation, key) => {
    // behind the listing of the batch's folder
    if (listed) for (const [later, bytes] of finished) growing.objects.set(later, bytes);
    if (operation === "list" && key === `${head.batch}/`) listed = true;
  });
  const isLater = (key: string): boolean =>
    !key.startsWith(`${head.batch}/`) || /\/(_SUCCESS|summary\.json|control\/.*|retries\/.*)$/.test(key);
  for (const [key, bytes] of finished) if (!isLater(key)) growing.objects.set(key, bytes);
  const { broken } = await verifyBatch({ store: growing, decodeShard }, head.batch);
  expect(listed).toBe(true);
  expect(broken).toBeNull();
});
