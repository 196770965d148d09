import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { findRedisServer } from "@assay/queue/private-redis";
import { Redis } from "ioredis";

export interface RedisUnderTest {
  readonly port: number;
  readonly version: string;
  readonly pid: number;
  /** A connection of its own for one piece of work. */
  admin<T>(work: (redis: Redis) => Promise<T>, password?: string): Promise<T>;
  /** Ends it as a crash would; resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port: with the log it had, with the one of `keepOld`, or with nothing. */
  start(from: "its log" | "the old log" | "nothing"): Promise<void>;
  /** Keeps a copy of its log as it is now. */
  keepOld(): Promise<void>;
  close(): Promise<void>;
}

/** A real redis-server that keeps an append-only log with an fsync a second, as people run it. */
export async function startRedis(folder: string): Promise<RedisUnderTest> {
  const server = await findRedisServer({
    path: process.env.PATH ?? "",
    cacheDir: join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "assay"),
    onNotice: (text) => console.log(text),
  });
  const port = await freePort();
  const home = join(folder, "redis");
  const old = join(folder, "redis-old");
  await mkdir(home, { recursive: true });
  let child: ChildProcess | null = null;

  async function admin<T>(work: (redis: Redis) => Promise<T>, password?: string): Promise<T> {
    const redis = new Redis({
      port,
      ...(password === undefined ? {} : { password }),
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
      commandTimeout: 5_000,
      lazyConnect: true,
      enableReadyCheck: false,
    });
    redis.on("error", () => {});
    try {
      await redis.connect();
      return await work(redis);
    } finally {
      redis.disconnect();
    }
  }

  async function run(): Promise<void> {
    const flags = ["--port", String(port), "--bind", "127.0.0.1", "--dir", home, "--save", "", "--appendonly", "yes"];
    child = spawn(server.command, flags, { stdio: "ignore", env: { ...server.env } });
    for (let round = 0; round < 400; round += 1) {
      if (await admin((redis) => redis.ping()).catch(() => null)) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`redis-server does not answer on port ${port}`);
  }

  async function kill(): Promise<void> {
    const dying = child;
    child = null;
    if (dying === null || dying.exitCode !== null || dying.signalCode !== null) return;
    const gone = once(dying, "exit");
    dying.kill("SIGKILL");
    await gone;
  }

  await run();
  const version = /redis_version:(\S+)/.exec(await admin((redis) => redis.info("server")))?.[1] ?? "unknown";
  return {
    port,
    version,
    get pid() {
      return child?.pid ?? 0;
    },
    admin,
    kill,
    async start(from) {
      if (from !== "its log") await rm(home, { recursive: true, force: true });
      if (from === "the old log") await cp(old, home, { recursive: true }).catch(() => {});
      await mkdir(home, { recursive: true });
      await run();
    },
    async keepOld() {
      await rm(old, { recursive: true, force: true });
      await cp(home, old, { recursive: true });
    },
    close: kill,
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}
