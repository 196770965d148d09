import { type ChildProcess, spawn } from "node:child_process";
import { cp, mkdir, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { findRedisServer } from "@assay/queue/private-redis";
import { Redis } from "ioredis";
import { freePort } from "./free-port.ts";
import { killChild } from "./kill-child.ts";

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
  /** Its folder takes no file any more, as a full disk: every write is refused with MISCONF. The returned call mends it. */
  stopSaving(): Promise<() => Promise<void>>;
  /**
   * Ends it and starts it with its log and thousands of keys more, so that it says LOADING for about so long; resolves
   * while it loads. The returned call waits for the end of it and takes the keys away.
   */
  restartLoading(ms: number): Promise<() => Promise<void>>;
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

  async function run(...more: string[]): Promise<void> {
    const flags = ["--port", String(port), "--bind", "127.0.0.1", "--dir", home, "--save", "", "--appendonly", "yes"];
    // its folder is changed while it runs
    flags.push("--enable-protected-configs", "yes", ...more);
    child = spawn(server.command, flags, { stdio: "ignore", env: { ...server.env } });
    for (let round = 0; round < 400; round += 1) {
      const answer = await admin((redis) => redis.ping()).catch((error: Error) => error.message);
      if (/^(PONG|LOADING)/.test(answer)) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`redis-server does not answer on port ${port}`);
  }

  /** Waits until INFO holds the line. */
  async function untilInfo(line: string): Promise<void> {
    for (let round = 0; round < 1_200; round += 1) {
      if ((await admin((redis) => redis.info()).catch(() => "")).includes(`\n${line}\r\n`)) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`redis-server did not come to ${line}`);
  }

  async function stopSaving(): Promise<() => Promise<void>> {
    await admin(async (redis) => {
      await redis.config("SET", "save", "3600 1");
      await redis.config("SET", "dir", "/proc");
      await redis.bgsave();
    });
    await untilInfo("rdb_last_bgsave_status:err");
    return async () => {
      await admin(async (redis) => {
        await redis.config("SET", "dir", home);
        await redis.bgsave();
      });
      await untilInfo("rdb_last_bgsave_status:ok");
      await admin((redis) => redis.config("SET", "save", ""));
    };
  }

  async function restartLoading(ms: number): Promise<() => Promise<void>> {
    const fillers = Array.from({ length: 4_000 }, (_, i) => `filler:${i}`);
    await admin(async (redis) => {
      const pipeline = redis.pipeline();
      for (const key of fillers) pipeline.set(key, "x".repeat(1_000));
      await pipeline.exec();
      await redis.bgrewriteaof();
    });
    await untilInfo("aof_rewrite_in_progress:0");
    await kill();
    const delay = String(Math.round((1_000 * ms) / fillers.length));
    await run("--key-load-delay", delay, "--loading-process-events-interval-bytes", "1024");
    return async () => {
      await untilInfo("loading:0");
      await admin(async (redis) => {
        await redis.config("SET", "key-load-delay", "0");
        await redis.unlink(...fillers);
      });
    };
  }

  async function kill(): Promise<void> {
    const dying = child;
    child = null;
    await killChild(dying);
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
    stopSaving,
    restartLoading,
    close: kill,
  };
}
