import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { classifyError, type ForeignFault } from "@assay/core";
import { type FoundRedis, findRedis } from "@assay/queue/private-redis";
import { type S3Fault, type S3Server, startS3Server } from "@assay/testkit";
import { HeadBucketCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Queue, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { Redis as RedisClient } from "ioredis";
import OpenAI from "openai";
import { Agent, request } from "undici";

/** Every library is made to throw what it throws, by a server that does what servers do, and the one table is asked. */

process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

/** Nobody listens there any more. */
let closed: string;
const nowhere = "http://nobody.invalid";

let http: Server;
let url: string;
let plain: ReturnType<typeof createTcpServer>;
let plainPort: number;
let redis: FoundRedis;
let s3: S3Server;
const agent = new Agent({ headersTimeout: 300, connect: { timeout: 2_000 } });

const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;
const listen = (server: { listen(port: number, host: string, then: () => void): unknown }): Promise<void> =>
  new Promise((resolve) => void server.listen(0, "127.0.0.1", resolve));

beforeAll(async () => {
  http = createServer((incoming, response) => {
    const status = Number(/\/status\/(\d+)/.exec(incoming.url ?? "")?.[1] ?? 0);
    if (incoming.url?.includes("/silent") === true) return;
    if (status === 0) return void incoming.socket.destroy();
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: { message: "played", code: status } }));
  });
  await listen(http);
  url = `http://127.0.0.1:${portOf(http)}`;
  const gone = createTcpServer();
  await listen(gone);
  closed = `http://127.0.0.1:${portOf(gone)}`;
  await new Promise((resolve) => gone.close(resolve));
  plain = createTcpServer((socket) => void socket.on("error", () => {}).end("hello\n"));
  await listen(plain);
  plainPort = portOf(plain);
  redis = await findRedis({
    rootId: randomBytes(8).toString("hex"),
    socketDir: join(tmpdir(), `assay-test-${randomBytes(4).toString("hex")}`),
    cacheDir: join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "assay"),
    path: process.env.PATH ?? "",
    onNotice: () => {},
  });
  s3 = await startS3Server();
}, 120_000);

afterAll(async () => {
  http.closeAllConnections();
  http.close();
  plain.close();
  await agent.destroy();
  await redis.close();
  await s3.close();
});

/** What the work throws; it has to. */
async function thrown(work: () => Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await work();
  } catch (error) {
    return error;
  }
  throw new Error(`nothing was thrown: ${JSON.stringify(value)}`);
}

type Row = [what: string, work: () => Promise<unknown>, fault: ForeignFault];

const get = (to: string, signal?: AbortSignal) => request(to, { dispatcher: agent, ...(signal ? { signal } : {}) });

const undici: Row[] = [
  ["a closed port", () => get(closed), "away"],
  ["a name that no server knows", () => get(nowhere), "away"],
  ["a connection that is reset", () => get(url), "away"],
  ["no header in time", () => get(`${url}/silent`), "away"],
  ["TLS spoken to a plain port", () => get(`https://127.0.0.1:${plainPort}`), "usage"],
  ["no HTTP at the other end", () => get(`http://127.0.0.1:${plainPort}`), "usage"],
  ["no URL", () => get("host:port:x"), "usage"],
  ["its caller's signal", () => get(`${url}/silent`, AbortSignal.timeout(20)), "away"],
  ["an abort", () => get(`${url}/silent`, AbortSignal.abort()), "aborted"],
];

const chat = (base: string, options: { signal?: AbortSignal; timeout?: number } = {}) =>
  new OpenAI({ baseURL: base, apiKey: "none", maxRetries: 0 }).chat.completions.create(
    { model: "m", messages: [{ role: "user", content: "q" }] },
    options,
  );

const openai: Row[] = [
  ["a closed port", () => chat(closed), "away"],
  ["a connection that is reset", () => chat(`${url}/cut`), "away"],
  ["its time-out", () => chat(`${url}/silent`, { timeout: 50 }), "away"],
  ["an abort", () => chat(`${url}/silent`, { signal: AbortSignal.abort() }), "aborted"],
  ...[401, 403].map((status): Row => [`${status}`, () => chat(`${url}/status/${status}`), "denied"]),
  ...[408, 429, 500, 502, 503, 504].map((status): Row => [`${status}`, () => chat(`${url}/status/${status}`), "away"]),
  ...[400, 404, 422].map((status): Row => [`${status}`, () => chat(`${url}/status/${status}`), "unknown"]),
];

const once = { maxRetriesPerRequest: 0, retryStrategy: () => null, lazyConnect: true } as const;

/** Runs one command on a connection of its own after an administrator has prepared the server; then it is as before. */
async function command(
  prepare: readonly string[][],
  undo: readonly string[][],
  work: (client: Redis) => Promise<unknown>,
): Promise<unknown> {
  const admin = redis.connect();
  const client = redis.connect();
  for (const one of [admin, client]) one.on("error", () => {});
  await client.ping();
  try {
    for (const [name = "", ...args] of prepare) await admin.call(name, ...args);
    return await work(client);
  } finally {
    for (const [name = "", ...args] of undo) await admin.call(name, ...args);
    admin.disconnect();
    client.disconnect();
  }
}

const asUser = (user: string, password: string, work: (client: Redis) => Promise<unknown>) =>
  command(
    [["ACL", "SETUSER", "reader", "reset", "on", ">right", "+ping", "+auth"]],
    [["ACL", "DELUSER", "reader"]],
    async (client) => {
      await client.call("AUTH", user, password);
      return work(client);
    },
  );

const ioredis: Row[] = [
  [
    "a closed port",
    async () => {
      const client = new RedisClient({ ...once, port: Number(new URL(closed).port) });
      client.on("error", () => {});
      await client.connect();
    },
    "away",
  ],
  [
    "a socket that is not there, and no retry",
    async () => {
      const client = new RedisClient({ path: "/nowhere/redis.sock", maxRetriesPerRequest: 0, retryStrategy: () => 10 });
      client.on("error", () => {});
      try {
        return await client.ping();
      } finally {
        client.disconnect();
      }
    },
    "away",
  ],
  [
    "a connection that was cut",
    async () => {
      const client = redis.connect();
      await client.ping();
      client.disconnect();
      return client.ping();
    },
    "away",
  ],
  ["WRONGPASS", () => asUser("reader", "wrong", (client) => client.ping()), "denied"],
  ["NOPERM", () => asUser("reader", "right", (client) => client.get("a")), "denied"],
  [
    "NOAUTH",
    () =>
      command([["CONFIG", "SET", "requirepass", "right"]], [["CONFIG", "SET", "requirepass", ""]], async () => {
        const stranger = redis.connect();
        stranger.on("error", () => {});
        try {
          return await stranger.get("a");
        } finally {
          stranger.disconnect();
        }
      }),
    "denied",
  ],
  [
    "OOM",
    () =>
      command([["CONFIG", "SET", "maxmemory", "1"]], [["CONFIG", "SET", "maxmemory", "0"]], (client) =>
        client.set("a", "1"),
      ),
    "away",
  ],
  [
    "READONLY",
    () => command([["REPLICAOF", "127.0.0.1", "1"]], [["REPLICAOF", "NO", "ONE"]], (client) => client.set("a", "1")),
    "away",
  ],
  [
    "MASTERDOWN",
    () =>
      command(
        [
          ["CONFIG", "SET", "replica-serve-stale-data", "no"],
          ["REPLICAOF", "127.0.0.1", "1"],
        ],
        [["REPLICAOF", "NO", "ONE"]],
        (client) => client.get("a"),
      ),
    "away",
  ],
  ["a command of another type", () => command([["SET", "a", "1"]], [], (client) => client.lpush("a", "1")), "unknown"],
];

const bullmq: Row[] = [
  [
    "a lock that is gone",
    async () => {
      const [forQueue, forWorker] = [redis.connect(), redis.connect()];
      const queue = new Queue("errors", { connection: forQueue });
      const worker = new Worker("errors", null, { connection: forWorker, autorun: false });
      try {
        await queue.add("score", {});
        const job = await worker.getNextJob("mine", { block: false });
        await forQueue.del(queue.toKey(`${job?.id}:lock`));
        return await job?.moveToCompleted(null, "mine", false);
      } finally {
        await worker.close(true);
        await queue.close();
        for (const one of [forQueue, forWorker]) one.disconnect();
      }
    },
    // another's, or ended: nothing to wait for and nobody to blame
    "unknown",
  ],
];

const aws = (endpoint: string, fault?: S3Fault, signal?: AbortSignal): Promise<unknown> => {
  s3.setFaults(fault === undefined ? [] : [fault]);
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
  });
  const input = new ListObjectsV2Command({ Bucket: s3.bucket });
  return client.send(input, { ...(signal ? { abortSignal: signal } : {}) }).finally(() => client.destroy());
};
const refuse = (status: number, code: string): S3Fault => ({ does: "refuse", status, code }) as S3Fault;

const sdk: Row[] = [
  ["a closed port", () => aws(closed), "away"],
  ["a name that no server knows", () => aws(nowhere), "away"],
  ["a connection that is reset", () => aws(url), "away"],
  ["TLS spoken to a plain port", () => aws(`https://127.0.0.1:${plainPort}`), "usage"],
  ["an abort", () => aws(s3.url, undefined, AbortSignal.abort()), "aborted"],
  ["a wrong key", () => aws(s3.url, refuse(403, "InvalidAccessKeyId")), "denied"],
  ["a right that is missing", () => aws(s3.url, refuse(403, "AccessDenied")), "denied"],
  ["a token that has expired", () => aws(s3.url, refuse(400, "ExpiredToken")), "denied"],
  ["SlowDown", () => aws(s3.url, refuse(503, "SlowDown")), "away"],
  ["InternalError", () => aws(s3.url, refuse(500, "InternalError")), "away"],
  [
    "no credentials",
    () =>
      new S3Client({
        endpoint: s3.url,
        region: "us-east-1",
        credentials: () => Promise.reject(Object.assign(new Error("none"), { name: "CredentialsProviderError" })),
      }).send(new HeadBucketCommand({ Bucket: s3.bucket })),
    "denied",
  ],
];

describe.each([
  ["undici", undici],
  ["openai", openai],
  ["ioredis", ioredis],
  ["bullmq", bullmq],
  ["the AWS SDK", sdk],
])("%s", (_library, rows) => {
  test.each(rows)(
    "%s",
    async (_what, work, fault) => {
      const error = await thrown(work);
      expect({ fault: classifyError(error), said: String(error) }).toEqual({ fault, said: String(error) });
    },
    30_000,
  );
});

test.each([null, undefined, 7, "ECONNREFUSED", {}, new Error("x"), { cause: { cause: {} } }])(
  "%p is unknown",
  (value) => {
    expect(classifyError(value)).toBe("unknown");
  },
);

test("a cause that goes in a circle is left", () => {
  const error: { cause?: unknown } = {};
  error.cause = error;
  expect(classifyError(error)).toBe("unknown");
});
