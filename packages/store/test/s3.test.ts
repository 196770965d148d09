import { type ErrorCode, isAssayError } from "@assay/core";
import type { ObjectStore } from "@assay/store";
import { type S3Fault, type S3Server, startS3Server, storeContract } from "@assay/testkit";
import { S3Client } from "@aws-sdk/client-s3";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { s3ClientOptions, s3Store } from "../src/s3.ts";
import { s3Over } from "./s3-over.ts";

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : new TextDecoder().decode(bytes));
const utf8 = (value: string): Uint8Array => new TextEncoder().encode(value);
/** Short, so that a test of a hanging server takes a second or two; five times over, also on a busy machine. */
const limits = { connectionMs: 400, socketMs: 400, requestMs: 400 };

let server: S3Server;
const closers: (() => void)[] = [];

beforeEach(async () => {
  // small pages, so that every listing of a few keys goes through continuation tokens
  server = await startS3Server({ pageSize: 3 });
});
afterEach(async () => {
  for (const close of closers.splice(0)) close();
  await server.close();
});

function open(options: Parameters<typeof s3Over>[1] = {}): ObjectStore {
  const { store, close } = s3Over(server, options);
  closers.push(close);
  return store;
}

const sent = (action: string): number => server.requests.filter((request) => request.action === action).length;

describe("the contract over a prefix of a bucket", () => {
  test.each(storeContract({ listedKeys: 60 }))("$name", ({ run }) => run(open()));
});

describe("the contract over a whole bucket", () => {
  test.each(storeContract({ listedKeys: 20 }))("$name", ({ run }) => run(open({ prefix: "" })));
});

describe("a put", () => {
  test("whose answer is lost after it was stored is ours", async () => {
    server.setFaults([{ does: "lose-answer", action: "PutObject" }]);
    expect(await open().putIfAbsent("a/x", utf8("ours"))).toBe("created");
    expect(sent("PutObject")).toBe(2);
    expect(text(await open().get("a/x"))).toBe("ours");
  });

  test("that is stored and never answered is ours", async () => {
    server.setFaults([{ does: "hang-after", action: "PutObject" }]);
    expect(await open({ limits }).putIfAbsent("a/x", utf8("ours"))).toBe("created");
    expect(sent("PutObject")).toBe(2);
  });

  test("whose answer is lost and whose key was another's is theirs", async () => {
    expect(await open().putIfAbsent("a/x", utf8("same"))).toBe("created");
    server.setFaults([{ does: "drop", action: "PutObject", times: 2 }]);
    expect(await open().putIfAbsent("a/x", utf8("same"))).toBe("exists");
  });

  test("is asked again after 409, and after 409 and 412 it is another's", async () => {
    const conflict: S3Fault = { does: "refuse", status: 409, code: "ConditionalRequestConflict", action: "PutObject" };
    server.setFaults([{ ...conflict, times: 3 }]);
    expect(await open().putIfAbsent("a/x", utf8("ours"))).toBe("created");
    expect(sent("PutObject")).toBe(4);
    server.setFaults([{ ...conflict, times: 2 }]);
    expect(await open().putIfAbsent("a/x", utf8("late"))).toBe("exists");
    expect(text(await open().get("a/x"))).toBe("ours");
  });

  test("of 50 racers in a storm of conflicts, lost answers and slow-downs has one winner", async () => {
    server.setFaults([
      { does: "refuse", status: 409, code: "ConditionalRequestConflict", action: "PutObject", times: 10 },
      { does: "lose-answer", action: "PutObject", times: 5 },
      { does: "refuse", status: 503, code: "SlowDown", action: "PutObject", times: 5 },
    ]);
    // each with a client of its own, as on 50 machines
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, i) => open().putIfAbsent("a/race", utf8(`racer ${i}`))),
    );
    const winners = results.flatMap((result, i) => (result === "created" ? [`racer ${i}`] : []));
    expect(winners).toHaveLength(1);
    expect(text(await open().get("a/race"))).toBe(winners[0]);
  });

  test("stops when the signal aborts while it waits for a conflict to end", async () => {
    server.setFaults([{ does: "refuse", status: 409, code: "ConditionalRequestConflict", times: Infinity }]);
    const stop = new AbortController();
    const put = codeOf(open().putIfAbsent("a/x", utf8("x"), { signal: stop.signal }));
    while (sent("PutObject") === 0) await nextTurn();
    stop.abort();
    expect(await put).toBe("E_ABORTED");
  });

  test("sees 304 of old MinIO as 412", async () => {
    expect(await open().putIfAbsent("a/x", utf8("theirs"))).toBe("created");
    server.setFaults([{ does: "refuse", status: 304, code: "", action: "PutObject" }]);
    expect(await open().putIfAbsent("a/x", utf8("ours"))).toBe("exists");
  });

  test("carries the condition each time, and no framing", async () => {
    server.setFaults([{ does: "refuse", status: 500, code: "InternalError", action: "PutObject" }]);
    await open({ prefix: "p" }).putIfAbsent("a/x", utf8("plain"));
    expect(server.buckets.get(server.bucket)?.get("p/a/x")?.bytes.toString()).toBe("plain");
  });
});

describe("trouble that passes", () => {
  const passing: [string, S3Fault][] = [
    ["503 twice", { does: "refuse", status: 503, code: "SlowDown", times: 2 }],
    ["500", { does: "refuse", status: 500, code: "InternalError" }],
    ["dropped connections", { does: "drop", times: 2 }],
    ["a server that hangs once", { does: "hang" }],
  ];
  test.each(passing)("%s: no call shows it", async (_, fault) => {
    const store = open({ limits });
    const actions = ["GetObject", "PutObject", "HeadObject", "ListObjectsV2", "DeleteObject"] as const;
    server.setFaults(actions.map((action) => ({ ...fault, action })));
    await Promise.all(everyCall(store).map(({ run }) => run()));
    expect(actions.filter((action) => sent(action) < 2)).toEqual([]);
  });
});

describe("trouble that stays", () => {
  const staying: [string, S3Fault, ErrorCode][] = [
    ["a server that accepts and never answers", { does: "hang" }, "E_STORE_UNAVAILABLE"],
    ["dropped connections", { does: "drop" }, "E_STORE_UNAVAILABLE"],
    ["500", { does: "refuse", status: 500, code: "InternalError" }, "E_STORE_UNAVAILABLE"],
    ["403", { does: "refuse", status: 403, code: "AccessDenied" }, "E_DENIED"],
    ["a wrong key", { does: "refuse", status: 403, code: "InvalidAccessKeyId" }, "E_DENIED"],
    ["an expired token", { does: "refuse", status: 400, code: "ExpiredToken" }, "E_DENIED"],
    ["another region", { does: "refuse", status: 301, code: "PermanentRedirect" }, "E_DENIED"],
    ["501", { does: "refuse", status: 501, code: "NotImplemented" }, "E_STORE_NOT_ATOMIC"],
  ];
  test.each(staying)("%s ends every call with its code", async (_, fault, code) => {
    const store = open({ limits });
    await store.putIfAbsent("a/partial/x", utf8("x"));
    server.setFaults([{ ...fault, times: Infinity }]);
    const got = await Promise.all(everyCall(store).map(async ({ name, run }) => [name, await codeOf(run())]));
    // HEAD has no body, so the code of a 400 is not known: it counts as trouble that may pass
    const ofHead = fault.status === 400 ? "E_STORE_UNAVAILABLE" : code;
    expect(Object.fromEntries(got)).toEqual({
      get: code,
      put: code,
      head: ofHead,
      read: code,
      list: code,
      remove: code,
    });
  });

  test("nothing listens: E_STORE_UNAVAILABLE", async () => {
    const store = open({ limits });
    await server.close();
    const got = await Promise.all(everyCall(store).map(({ run }) => codeOf(run())));
    expect(new Set(got)).toEqual(new Set(["E_STORE_UNAVAILABLE"]));
  });

  test("no region at all is told as such, before anything is sent", async () => {
    // what the SDK says where neither AWS_REGION nor a profile names one
    const region = (): Promise<string> => Promise.reject(new Error("Region is missing"));
    const client = new S3Client({ ...s3ClientOptions({}), region });
    const store = s3Store({ client, bucket: "bucket", prefix: "" });
    await expect(store.get("a")).rejects.toMatchObject({
      code: "E_DENIED",
      message: "no region is set",
      next: "set AWS_REGION to the bucket's region",
    });
  });

  test("a bucket that does not exist is denied, with what to do", async () => {
    const store = open({ bucket: "no-such-bucket" });
    for (const { run } of everyCall(store)) {
      await expect(run()).rejects.toMatchObject({
        code: "E_DENIED",
        where: "s3://no-such-bucket/some/root",
        next: "make the bucket, or check its name and region",
      });
    }
  });

  test("501 on a conditional put names stores that work", async () => {
    server.setFaults([{ does: "refuse", status: 501, code: "NotImplemented", action: "PutObject" }]);
    await expect(open().putIfAbsent("a", utf8("a"))).rejects.toMatchObject({
      code: "E_STORE_NOT_ATOMIC",
      exit: 6,
      next: expect.stringContaining("versitygw"),
    });
  });

  test("a proxy's own 404 is not the absence of an object", async () => {
    const store = open();
    await store.putIfAbsent("a/x", utf8("x"));
    server.setFaults([{ does: "refuse", status: 404, code: "", times: Infinity }]);
    for (const { name, run } of everyCall(store)) {
      expect([name, await codeOf(run())]).toEqual([name, "E_STORE_UNAVAILABLE"]);
    }
  });

  test("a 404 that names another reason is that reason: versitygw says so of a wrong access key", async () => {
    const store = open();
    server.setFaults([{ does: "refuse", status: 404, code: "XAdminUserNotFound", times: Infinity }]);
    for (const { name, run } of everyCall(store)) expect([name, await codeOf(run())]).toEqual([name, "E_DENIED"]);
  });

  test("HEAD asks once whether there is a bucket, not each time it finds nothing", async () => {
    const store = open();
    for (const key of ["a", "b", "c"]) expect(await store.head(key)).toBeNull();
    expect(sent("ListObjectsV2")).toBe(1);
  });

  test("a call ends at its own limit where no other limit bites", async () => {
    server.setFaults([{ does: "hang", times: Infinity }]);
    const store = open({ callMs: 300, limits: { connectionMs: 60_000, socketMs: 60_000, requestMs: 60_000 } });
    const got = await Promise.all(everyCall(store).map(({ run }) => codeOf(run())));
    expect(new Set(got)).toEqual(new Set(["E_STORE_UNAVAILABLE"]));
  });

  test("no message holds a secret or the bytes of an object", async () => {
    server.setFaults([{ does: "refuse", status: 403, code: "AccessDenied", times: Infinity }]);
    const error = await open()
      .putIfAbsent("a/x", utf8("the response of a user"))
      .catch((thrown: unknown) => thrown);
    expect(isAssayError(error)).toBe(true);
    const { message, where, expected, got, next } = error as Record<string, unknown>;
    expect(JSON.stringify({ message, where, expected, got, next })).not.toMatch(/response of a user|secret|Signature=/);
  });
});

describe("a body that breaks off", () => {
  const large = Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 7 + (i >> 9)) & 255);

  test.each(["cut-body", "hang-body"] as const)(
    "%s: get and read go on where it broke and miss no byte",
    async (does) => {
      const store = open({ limits });
      await store.putIfAbsent("a/large", large);
      server.setFaults([{ does, action: "GetObject", times: 3 }]);
      expect(Buffer.compare((await store.get("a/large"))!, large)).toBe(0);
      server.setFaults([{ does, action: "GetObject", times: 3 }]);
      expect(Buffer.compare(await collect((await store.read("a/large"))!), large)).toBe(0);
    },
  );

  test("for good never passes as a shorter object", async () => {
    const store = open({ limits });
    await store.putIfAbsent("a/large", large);
    server.setFaults([
      { does: "cut-body", action: "GetObject" },
      { does: "refuse", status: 500, code: "InternalError", action: "GetObject", times: Infinity },
    ]);
    expect(await codeOf(store.get("a/large"))).toBe("E_STORE_UNAVAILABLE");
    // every body is cut, down to halves of nothing
    server.setFaults([{ does: "cut-body", action: "GetObject", times: Infinity }]);
    await store.putIfAbsent("a/small", utf8("x"));
    const got = [store.get("a/small"), store.read("a/small").then(collect)].map(codeOf);
    expect(await Promise.all(got)).toEqual(["E_STORE_UNAVAILABLE", "E_STORE_UNAVAILABLE"]);
  });

  test("is never put together with the bytes of another object", async () => {
    const store = open();
    await store.putIfAbsent("input", large);
    server.setFaults([{ does: "cut-body", action: "GetObject" }]);
    const chunks = (await store.read("input"))!;
    server.buckets.get(server.bucket)?.delete("some/root/input");
    await store.putIfAbsent("input", large.slice().reverse());
    expect(await codeOf(collect(chunks))).toBe("E_INPUT_CHANGED");
  });

  test("ranges ask again for a body that breaks, and never mix two objects", async () => {
    const store = open({ limits });
    await store.putIfAbsent("input", large);
    const ranges = (await store.ranges("input"))!;
    server.setFaults([{ does: "cut-body", action: "GetObject", times: 3 }]);
    expect(Buffer.compare(await ranges.read(10, 100_010), large.subarray(10, 100_010))).toBe(0);
    server.setFaults([{ does: "cut-body", action: "GetObject", times: Infinity }]);
    expect(await codeOf(ranges.read(10, 100_010))).toBe("E_STORE_UNAVAILABLE");
    server.setFaults([]);
    server.buckets.get(server.bucket)?.delete("some/root/input");
    expect(await codeOf(ranges.read(0, 4))).toBe("E_INPUT_CHANGED");
    await store.putIfAbsent("input", large.slice().reverse());
    expect(await codeOf(ranges.read(0, 4))).toBe("E_INPUT_CHANGED");
  });

  test("a listing whose page is cut is asked for again or fails, and is never short", async () => {
    const store = open({ limits });
    const keys = ["a", "b", "c", "d", "e", "f", "g"];
    for (const key of keys) await store.putIfAbsent(key, utf8(key));
    server.setFaults([{ does: "cut-body", action: "ListObjectsV2", times: Infinity }]);
    expect(await codeOf(drain(store.list("")))).toBe("E_STORE_UNAVAILABLE");
    server.setFaults([{ does: "cut-body", action: "ListObjectsV2" }]);
    const listed = await drain(store.list("")).catch((error: unknown) => {
      expect(isAssayError(error, "E_STORE_UNAVAILABLE")).toBe(true);
      return keys;
    });
    expect(listed).toEqual(keys);
  });

  test("a stream that is left early frees its connection", async () => {
    const store = open();
    await store.putIfAbsent("a/large", large);
    // more than the 50 sockets that a client has
    for (let i = 0; i < 60; i += 1) {
      for await (const chunk of (await store.read("a/large"))!) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
    }
  });

  test("an abort in the middle is an abort", async () => {
    const store = open();
    await store.putIfAbsent("a/large", large);
    server.setFaults([{ does: "hang-body", action: "GetObject", times: Infinity }]);
    const stop = new AbortController();
    const got = codeOf(store.get("a/large", { signal: stop.signal }));
    while (server.requests.at(-1)?.status !== 200 || sent("GetObject") === 0) await nextTurn();
    stop.abort();
    expect(await got).toBe("E_ABORTED");
  });
});

test("a page that says there is more and not where is an error, not the end", async () => {
  const store = open();
  for (const key of ["a", "b", "c", "d"]) await store.putIfAbsent(key, utf8(key));
  server.setFaults([{ does: "lose-token", action: "ListObjectsV2" }]);
  expect(await codeOf(drain(store.list("")))).toBe("E_STORE_UNAVAILABLE");
  expect(await drain(store.list(""))).toEqual(["a", "b", "c", "d"]);
});

test("a listing asks for no more keys than are wanted, and leaves out a console's folders", async () => {
  const store = open();
  server.buckets.get(server.bucket)?.set("some/root/a/", { bytes: Buffer.alloc(0), etag: '"x"', metadata: {} });
  for (const key of ["a/1", "a/2", "a/3", "b"]) await store.putIfAbsent(key, utf8(key));
  server.buckets.get(server.bucket)?.set("some/root2/x", { bytes: Buffer.alloc(0), etag: '"x"', metadata: {} });
  expect(await drain(store.list(""))).toEqual(["a/1", "a/2", "a/3", "b"]);
  const before = sent("ListObjectsV2");
  expect(await drain(store.list("b", { limit: 1 }))).toEqual(["b"]);
  expect(await drain(store.list("a/", { limit: 0 }))).toEqual([]);
  expect(sent("ListObjectsV2")).toBe(before + 1);
});

/** Each method on an object that may or may not be there. */
function everyCall(store: ObjectStore): { name: string; run(): Promise<unknown> }[] {
  return [
    { name: "get", run: () => store.get("a/partial/x") },
    { name: "put", run: () => store.putIfAbsent("a/partial/x", utf8("x")) },
    { name: "head", run: () => store.head("a/partial/x") },
    { name: "read", run: async () => collect((await store.read("a/partial/x"))!) },
    { name: "list", run: () => drain(store.list("a/")) },
    { name: "remove", run: () => store.remove("a/partial/y") },
  ];
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return isAssayError(error) ? error.code : error === null ? "no error" : `not ours: ${String(error)}`;
}

async function collect(chunks: AsyncIterable<Uint8Array> | null): Promise<Uint8Array> {
  const collected: Uint8Array[] = [];
  for await (const chunk of chunks ?? []) collected.push(chunk);
  return Buffer.concat(collected);
}

async function drain(list: AsyncIterable<{ key: string }>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of list) keys.push(key);
  return keys;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
