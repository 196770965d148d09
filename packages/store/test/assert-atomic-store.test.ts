import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertAtomicStore, type ObjectStore } from "@assay/store";
import { memoryStore, type S3Server, startS3Server } from "@assay/testkit";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { localStore } from "../src/local.ts";
import { s3Over } from "./s3-over.ts";

let server: S3Server;
let directory: string;
const closers: (() => void)[] = [];
let drawn = 0;
const random = (): string => {
  drawn += 1;
  return `r${drawn}`;
};

beforeEach(async () => {
  server = await startS3Server();
  directory = await mkdtemp(join(tmpdir(), "assay-store-"));
});
afterEach(async () => {
  for (const close of closers.splice(0)) close();
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

function s3(): ObjectStore {
  const { store, close } = s3Over(server);
  closers.push(close);
  return store;
}

const puts = (): number => server.requests.filter(({ action }) => action === "PutObject").length;

describe("a store where one of eight wins", () => {
  test.each([
    ["in memory", () => memoryStore()],
    ["local", () => localStore(join(directory, "root"))],
    ["S3", () => s3()],
  ])("passes: %s", async (_, open) => {
    const store = open();
    await assertAtomicStore(store, { day: "2026-01-01", random });
    await assertAtomicStore(store, { day: "2026-01-02", random });
    const keys: string[] = [];
    for await (const { key } of store.list("_probe/")) keys.push(key.replace(/-r\d+$/, "-random"));
    expect(keys).toEqual([
      "_probe/2026-01-01-random",
      "_probe/2026-01-01.ok",
      "_probe/2026-01-02-random",
      "_probe/2026-01-02.ok",
    ]);
  });

  test("is asked nine puts, once a day", async () => {
    const store = s3();
    await assertAtomicStore(store, { day: "2026-01-01", random });
    expect(puts()).toBe(9);
    await assertAtomicStore(store, { day: "2026-01-01", random });
    await assertAtomicStore(s3(), { day: "2026-01-01", random });
    expect(puts()).toBe(9);
    await assertAtomicStore(store, { day: "2026-01-02", random });
    expect(puts()).toBe(18);
  });

  test("passes through conflicts and lost answers", async () => {
    server.setFaults([
      { does: "lose-answer", action: "PutObject", times: 2 },
      { does: "refuse", status: 409, code: "ConditionalRequestConflict", action: "PutObject", times: 3 },
    ]);
    await assertAtomicStore(s3(), { day: "2026-01-01", random });
  });

  test("passes when several processes ask at the same time", async () => {
    const stores = Array.from({ length: 4 }, () => s3());
    await Promise.all(stores.map((store) => assertAtomicStore(store, { day: "2026-01-01", random })));
  });
});

describe("a store that lies", () => {
  test.each([
    ["ignores the condition", Infinity],
    ["lets two win", 1],
  ])("%s: refused with the stores that work, and asked again next time", async (_, times) => {
    const store = s3();
    for (let round = 0; round < 2; round += 1) {
      server.setFaults([{ does: "ignore-condition", action: "PutObject", times }]);
      await expect(assertAtomicStore(store, { day: "2026-01-01", random })).rejects.toMatchObject({
        code: "E_STORE_NOT_ATOMIC",
        exit: 6,
        where: "s3://assay-test/some/root",
        got: `${Math.min(8, times + 1)} won`,
        next: expect.stringMatching(
          /AWS S3.*R2.*CoreWeave.*Ceph.*SeaweedFS.*MinIO.*RustFS.*versitygw.*local directory/,
        ),
      });
    }
  });

  test("tells two that they won and keeps the first one's bytes: refused", async () => {
    const honest = memoryStore();
    let lies = 1;
    const store: ObjectStore = {
      ...honest,
      async putIfAbsent(key, bytes) {
        const result = await honest.putIfAbsent(key, bytes);
        if (result === "created" || lies === 0) return result;
        lies -= 1;
        return "created";
      },
    };
    await expect(assertAtomicStore(store, { day: "2026-01-01", random })).rejects.toMatchObject({ got: "2 won" });
  });

  test("one winner whose bytes are not the stored ones is refused, too", async () => {
    const honest = memoryStore();
    const store: ObjectStore = {
      ...honest,
      async putIfAbsent(key, bytes) {
        const result = await honest.putIfAbsent(key, bytes);
        if (result === "exists") honest.objects.set(key, bytes);
        return result;
      },
    };
    await expect(assertAtomicStore(store, { day: "2026-01-01", random })).rejects.toMatchObject({
      code: "E_STORE_NOT_ATOMIC",
      got: "1 won, and other bytes are stored",
    });
  });
});

test("a store that is away is away, not refused", async () => {
  server.setFaults([{ does: "refuse", status: 403, code: "AccessDenied", times: Infinity }]);
  await expect(assertAtomicStore(s3(), { day: "2026-01-01", random })).rejects.toMatchObject({ code: "E_DENIED" });
});
