import { AssayError, isAssayError, type RetryLink, retryKey, type Status } from "@assay/core";
import { decodeShard } from "@assay/datasets";
import { memoryStore, seeded } from "@assay/testkit";
import { beforeEach, describe, expect, jest, test } from "@jest/globals";
import { appendControl } from "../src/control-log.ts";
import { pinBatch } from "../src/pin-batch.ts";
import { stageRetry } from "../src/stage-retry.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { contents, pin, record, records, submit } from "./build-batch.ts";
import { refuseUnhandled } from "./refuse-unhandled.ts";
import { at, code, number, retriesIn, staging } from "./retry-family.ts";
import { scriptedPool } from "./scripted-pool.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";

jest.setTimeout(120_000);
refuseUnhandled();

let store: ReturnType<typeof memoryStore>;
beforeEach(() => {
  store = memoryStore();
});
const { link, retry, score, rowsOf } = retriesIn(() => store);

describe("a retry", () => {
  test("asks the rows of the statuses again, under their own row_index, and nothing else", async () => {
    const text = `${records(30)}{"broken\n${record(31, { principles: ["a", "b", "c"], score: 1 })}\n`;
    const head = await submit(store, text);
    await score((row) => (row % 3 === 0 ? "truncated" : row === 31 ? "rejected" : "ok"));
    const child = (await retry(head, ["truncated"], { max_tokens: "32000" }))!;
    expect(child).toMatchObject({
      batch: `${head.batch}-r1`,
      parent: { batch: head.batch, retry: 1 },
      profile: { max_tokens: 32_000 },
      counts: { records: 10, rows: 10, bad: 0 },
      created_at: at,
      tags: head.tags,
    });
    const log = await score();
    expect(
      log
        .filter(({ kind }) => kind === "chat")
        .map(number)
        .sort((a, b) => a - b),
    ).toEqual([0, 3, 6, 9, 12, 15, 18, 21, 24, 27]);
    expect(log.every(({ request }) => request.kind !== "chat" || request.maxTokens === 32_000)).toBe(true);
    expect((await rowsOf(child)).map(({ row_index, batch, status }) => [row_index, batch, status])).toEqual(
      [0, 3, 6, 9, 12, 15, 18, 21, 24, 27].map((row) => [row, child.batch, "ok"]),
    );
    expect(await verifyBatch({ store, decodeShard }, child.batch)).toMatchObject({ complete: true, broken: null });
    expect(await verifyBatch({ store, decodeShard }, head.batch)).toMatchObject({ complete: true, broken: null });
  });

  test("asks of a response with several principles only the ones that failed", async () => {
    const head = await submit(store, `${record(1, { principles: ["a", "b", "c"], score: 7 })}\n`, {
      batch: { columns: [{ name: "score", type: "int64" }] },
      records: {
        roles: ["user"],
        principles: [],
        map: {},
        columns: [{ name: "score", type: "int64" }],
        carryAll: false,
      },
    });
    const worker = startWorker({
      store,
      queue: wipeableQueue(),
      pool: scriptedPool({ script: ({ row }) => (row.endsWith("|b") ? "rejected" : "verdict") }),
    });
    expect(await worker.ended).toBe("idle");
    const child = (await retry(head, ["rejected"]))!;
    await score();
    const [first] = await rowsOf(head);
    expect(await rowsOf(child)).toEqual([
      expect.objectContaining({
        row_index: 1,
        principle: "b",
        principle_index: 1,
        status: "ok",
        id: first?.id,
        group: first?.group,
        carried: first?.carried,
        columns: { in_score: 7 },
      }),
    ]);
  });

  test("is one when it is typed twice: while it waits, while it runs, and when it is complete", async () => {
    const head = await submit(store, records(20));
    await score((row) => (row < 4 ? "truncated" : "ok"));
    expect(await link(head, ["truncated", "looped"])).toMatchObject({ n: 1, result: "created" });
    expect(await link(head, ["truncated", "looped"], { by: "another" })).toMatchObject({ n: 1, result: "exists" });
    await stageRetry({ store, decodeShard }, head, 1, staging);
    const staged = contents(store.objects);
    expect(await link(head, ["truncated", "looped"], { again: true })).toMatchObject({ n: 1, result: "exists" });
    await stageRetry({ store, decodeShard }, head, 1, staging);
    expect(contents(store.objects)).toBe(staged);
    await score((row) => (row < 2 ? "truncated" : "ok"));
    const complete = contents(store.objects);
    expect(await link(head, ["truncated", "looped"])).toMatchObject({ n: 1, result: "exists" });
    // a setting that changes nothing is no other retry
    expect(
      await link(head, ["truncated", "looped"], { set: { max_tokens: String(head.profile.max_tokens) } }),
    ).toMatchObject({
      n: 1,
      result: "exists",
    });
    expect(contents(store.objects)).toBe(complete);
    // by wish another one of what is left
    expect(await link(head, ["truncated", "looped"], { again: true })).toMatchObject({ n: 2, result: "created" });
    expect((await stageRetry({ store, decodeShard }, head, 2, staging)).counts.rows).toBe(2);
  });

  test("without a row of such a status says so, and writes nothing", async () => {
    const head = await submit(store, records(20));
    await score((row) => (row < 4 ? "truncated" : "ok"));
    const before = contents(store.objects);
    expect(await link(head, ["engine_error"])).toBeNull();
    expect(contents(store.objects)).toBe(before);
    await retry(head, ["truncated"]);
    await score();
    // all of them are ok now
    const after = contents(store.objects);
    expect(await link(head, ["truncated", "looped"])).toBeNull();
    expect(contents(store.objects)).toBe(after);
  });

  test("waits for the batch, and for the retry before it, a cancelled one included", async () => {
    const head = await submit(store, records(20));
    expect(await link(head, ["truncated"]).catch(code)).toBe("E_NOT_FINISHED");
    await score((row) => (row < 4 ? "truncated" : row < 6 ? "looped" : "ok"));
    const child = (await retry(head, ["truncated"]))!;
    expect(await link(head, ["looped"]).catch(code)).toBe("E_NOT_FINISHED");
    const author = { id: "p", at, by: "test" };
    await appendControl(store, child.batch, { state: "cancelled" }, author);
    await score();
    expect(await link(head, ["looped"]).catch(code)).toBe("E_NOT_FINISHED");
    await appendControl(store, child.batch, { state: "running" }, { ...author, id: "q" });
    await score();
    expect(await retry(head, ["looped"])).toMatchObject({ batch: `${head.batch}-r2`, counts: { rows: 2 } });
  });

  test("two people with different filters at once: one wins, the other is told who and what", async () => {
    const head = await submit(store, records(20));
    await score((row) => (row < 4 ? "truncated" : row < 6 ? "looped" : "ok"));
    const before = new Map(store.objects);
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      store = memoryStore(async () => {
        for (let turns = Math.floor(random() * 4); turns > 0; turns -= 1)
          await new Promise((resolve) => setImmediate(resolve));
      });
      for (const [key, bytes] of before) store.objects.set(key, bytes);
      const random = seeded(seed);
      const filters: Status[][] = [["truncated"], ["looped"]];
      const ends = await Promise.all(filters.map((status) => link(head, status, { by: status[0]! }).catch((e) => e)));
      const won = ends.findIndex((end) => !isAssayError(end));
      expect(ends[won]).toMatchObject({ n: 1, result: "created" });
      expect(ends[1 - won]).toMatchObject({ code: "E_NOT_FINISHED", got: expect.stringContaining(filters[won]![0]!) });
      expect((await stageRetry({ store, decodeShard }, head, 1, staging)).counts.rows).toBe(won === 0 ? 4 : 2);
    }
  });

  test("is not served by an engine that is not like the batch's: it has the batch's pin from the start", async () => {
    const head = await submit(store, records(20));
    await score((row) => (row < 4 ? "truncated" : "ok"));
    const child = (await retry(head, ["truncated"]))!;
    expect(await pinBatch(store, child.batch, { ...pin, simulated: true }).catch(code)).toBe("E_SIMULATED_MIX");
    await pinBatch(store, child.batch, pin);
  });

  test("that its engines refuse is not begun, so that another can follow", async () => {
    const head = await submit(store, records(20));
    await score((row) => (row < 4 ? "truncated" : "ok"));
    const before = contents(store.objects);
    const asked: number[] = [];
    const refuse = async ({ max_tokens }: { max_tokens: number }): Promise<void> => {
      asked.push(max_tokens);
      throw new AssayError("E_ENGINE_REFUSED", "its context is shorter");
    };
    const accept = { set: { max_tokens: "32000" }, accept: refuse };
    expect(await link(head, ["truncated"], accept).catch(code)).toBe("E_ENGINE_REFUSED");
    expect(contents(store.objects)).toBe(before);
    // nothing to ask: nobody is asked whether it could be
    expect(await link(head, ["looped"], accept)).toBeNull();
    expect(asked).toEqual([32_000]);
    expect(await link(head, ["truncated"])).toMatchObject({ n: 1, result: "created" });
    // one that exists is begun already
    expect(await link(head, ["truncated"], { accept: refuse })).toMatchObject({ n: 1, result: "exists" });
  });

  test("that was cancelled is told as such to the next one, with what lets that begin", async () => {
    const head = await submit(store, records(20));
    await score((row) => (row < 4 ? "truncated" : row < 6 ? "looped" : "ok"));
    const child = (await retry(head, ["truncated"], { max_tokens: "32000" }))!;
    const next = (): Promise<unknown> => link(head, ["looped"]).catch((error: unknown) => error);
    expect(await next()).toMatchObject({ got: expect.stringMatching(/^running; .* --set max_tokens=32000$/) });
    await appendControl(store, child.batch, { state: "cancelled" }, { id: "a", at, by: "ada@node" });
    expect(await next()).toMatchObject({
      code: "E_NOT_FINISHED",
      got: expect.stringMatching(/^cancelled; /),
      next: `assay resume ${child.batch}`,
    });
  });

  test("of another generation of Assay is left to that one", async () => {
    const head = await submit(store, records(20));
    await score((row) => (row < 4 ? "truncated" : "ok"));
    await link(head, ["truncated"]);
    const key = retryKey(head.batch, 1);
    const linked = JSON.parse(Buffer.from(store.objects.get(key)!).toString()) as RetryLink;
    store.objects.set(key, Buffer.from(JSON.stringify({ ...linked, format: 2 })));
    expect(await stageRetry({ store, decodeShard }, head, 1, staging).catch(code)).toBe("E_USAGE");
  });
});
