import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { accessSync, closeSync, constants, openSync } from "node:fs";
import { access, chmod, mkdir, rm, stat, unlink, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AssayError } from "@assay/core";
import { Redis, type RedisOptions } from "ioredis";
import { within } from "./assert-redis.ts";
import { hangUp } from "./hang-up.ts";
import { redisError } from "./redis-error.ts";
import { unpackRedis } from "./unpack-redis.ts";

export interface FindRedisOptions {
  /** a Redis that somebody runs; everything else is left alone then */
  readonly url?: string | undefined;
  /** 16 hex: names the socket, so that a second process of the root joins the first one's server */
  readonly rootId: string;
  /** where sockets may stand; made with mode 0700 */
  readonly socketDir: string;
  /** where the unpacked package is kept */
  readonly cacheDir: string;
  /** the value of PATH */
  readonly path: string;
  readonly onNotice: (text: string) => void;
}

export interface FoundRedis {
  /** for `new Redis(options)`: the given URL's, or the private socket's */
  readonly connect: () => Redis;
  /** for messages, without credentials */
  readonly where: string;
  readonly kind: "given" | "private";
  /** true when another process had started the private server */
  readonly joined: boolean;
  /** Leaves; the last one to leave a private server ends it. */
  close(): Promise<void>;
}

/** A path of a unix socket may have 107 bytes. */
const longestSocket = 107;

/** How long a cut connection waits for a server that does not close its side: the process cannot end before. */
const disconnectTimeout = 250;

/** Reconnects quickly and for ever; commands wait meanwhile (the queue sets its own limits). */
const connection = {
  disconnectTimeout,
  maxRetriesPerRequest: null,
  connectTimeout: 10_000,
  keepAlive: 30_000,
  retryStrategy: (times: number): number => Math.min(times * 100, 5_000),
} satisfies RedisOptions;

/**
 * A Redis for one process tree: the given one; else a private redis-server or valkey-server from PATH; else
 * Debian's package unpacked without root. Private ones listen on a unix socket only, keep nothing on disk (they are
 * filled from the store) and are emptied by a user that finds no other, so that no dead worker's lease is waited for.
 * Throws E_REDIS_UNAVAILABLE or E_DENIED for a given one that does not answer, E_REDIS_MISSING when none can be had.
 */
export async function findRedis(options: FindRedisOptions): Promise<FoundRedis> {
  if (options.url !== undefined && options.url !== "") return given(options.url);
  await makeSocketFolder(options.socketDir);
  const socket = join(options.socketDir, `assay-${options.rootId}.sock`);
  if (Buffer.byteLength(socket) > longestSocket) {
    throw new AssayError("E_REDIS_MISSING", "the path of the private Redis socket is too long", {
      where: socket,
      expected: `at most ${longestSocket} bytes`,
      next: "set TMPDIR or XDG_RUNTIME_DIR to a shorter folder, or give --redis URL",
    });
  }
  const name = `assay-user-${process.pid}-${randomBytes(4).toString("hex")}`;
  // before the lock: unpacking may take a minute, and is safe for several at once
  const server = (await answers(socket)) ? null : await findServer(options);
  const { user, joined } = await underLock(socket, async () => {
    const joined = await answers(socket);
    if (!joined) await start(socket, server ?? (await findServer(options)));
    const user = new Redis({ ...connection, path: socket, connectionName: name });
    user.on("error", () => {});
    if ((await otherUsers(user, name)) === 0) await user.flushall();
    return { user, joined };
  });
  return {
    connect: () => new Redis({ ...connection, path: socket }),
    where: socket,
    kind: "private",
    joined,
    close: () =>
      underLock(socket, async () => {
        // a server that is gone already would be waited for without end
        const left = await within(otherUsers(user, name), 2_000).catch(() => 1);
        hangUp(user);
        if (left === 0) await shutDown(socket);
      }).finally(() => hangUp(user)),
  };
}

async function makeSocketFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    await access(folder, constants.W_OK);
  } catch (cause) {
    throw new AssayError("E_REDIS_MISSING", "the socket of a private Redis has no place on this machine", {
      where: folder,
      got: String((cause as NodeJS.ErrnoException).code),
      next: "set XDG_RUNTIME_DIR to a folder of yours that can be written to, or give --redis URL",
      cause,
    });
  }
}

async function given(url: string): Promise<FoundRedis> {
  let where: string;
  try {
    const parsed = new URL(url);
    where = `${parsed.protocol}//${parsed.host}${parsed.pathname === "/" ? "" : parsed.pathname}`;
  } catch (cause) {
    throw new AssayError("E_USAGE", "not the URL of a Redis", { expected: "redis://host:6379", cause });
  }
  const probe = new Redis(url, {
    maxRetriesPerRequest: 0,
    connectTimeout: 5_000,
    disconnectTimeout,
    retryStrategy: () => null,
    lazyConnect: true,
  });
  let reason = "";
  probe.on("error", (error: Error) => {
    reason = error.message;
  });
  try {
    await probe.connect();
    await probe.ping();
  } catch (cause) {
    // what the connection complained about says more than that it is closed
    throw redisError("Redis does not answer", where, cause, reason || undefined);
  } finally {
    hangUp(probe);
  }
  return { connect: () => new Redis(url, connection), where, kind: "given", joined: true, close: async () => {} };
}

/**
 * One process of the host at a time joins or leaves, so that two that start at once end up on one server, and nobody
 * joins a server that its last user is ending.
 */
async function underLock<T>(socket: string, work: () => Promise<T>): Promise<T> {
  const lock = `${socket}.lock`;
  for (let round = 0; round < 400; round += 1) {
    if (await takeLock(lock)) {
      try {
        return await work();
      } finally {
        await rm(lock, { force: true });
      }
    }
    await sleep(50);
  }
  throw new AssayError("E_REDIS_MISSING", "other processes keep the private Redis to themselves", {
    where: lock,
    next: "remove this file and try again, or give --redis URL",
  });
}

/** A lock file older than 15 s is a dead process's: starting a server takes 5 s at most. */
async function takeLock(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    // a folder that cannot be written to will not be mended by waiting
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const age = await stat(lock).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > 15_000) await rm(lock, { force: true });
    return false;
  }
}

async function answers(socket: string): Promise<boolean> {
  const probe = oneOff(socket);
  try {
    await probe.connect();
    return (await probe.ping()) === "PONG";
  } catch {
    return false;
  } finally {
    hangUp(probe);
  }
}

/** Resolves when the server has cut the connection: it has removed its socket by then. */
async function shutDown(socket: string): Promise<void> {
  const last = oneOff(socket);
  try {
    await last.connect();
    await last.shutdown("NOSAVE");
  } catch {
    // the cut connection is the answer
  }
  hangUp(last);
  await rm(socket, { force: true });
  await rm(`${socket}.log`, { force: true });
}

/** Never reconnects: with `connection`'s settings the SHUTDOWN would be sent again to the server that it ended. */
function oneOff(socket: string): Redis {
  const redis = new Redis({
    path: socket,
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectTimeout: 1_000,
    disconnectTimeout,
  });
  redis.on("error", () => {});
  return redis;
}

export interface RedisServer {
  readonly command: string;
  readonly env: { readonly [name: string]: string };
}

/** The program that a private Redis is run from. Throws E_REDIS_MISSING. */
export async function findServer(
  options: Pick<FindRedisOptions, "path" | "cacheDir" | "onNotice">,
): Promise<RedisServer> {
  for (const folder of options.path.split(delimiter)) {
    for (const name of ["redis-server", "valkey-server"]) {
      const command = join(folder, name);
      if (folder !== "" && isExecutable(command)) return { command, env: {} };
    }
  }
  const unpacked = await unpackRedis({ cacheDir: options.cacheDir, path: options.path, onNotice: options.onNotice });
  if (unpacked !== null) return unpacked;
  throw new AssayError("E_REDIS_MISSING", "no redis-server or valkey-server is on this machine", {
    expected: "redis-server or valkey-server on PATH",
    next: "apt-get install redis-server, dnf install valkey, or brew install redis; or give --redis URL",
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** In a process group of its own: Ctrl-C in the terminal must not end Redis before the drain is over. */
async function start(socket: string, server: RedisServer): Promise<void> {
  await unlink(socket).catch(() => {});
  const log = `${socket}.log`;
  const flags = [
    "--port",
    "0",
    "--unixsocket",
    socket,
    "--unixsocketperm",
    "700",
    "--save",
    "",
    "--appendonly",
    "no",
    "--maxmemory-policy",
    "noeviction",
    "--daemonize",
    "no",
  ];
  const out = openSync(log, "w", 0o600);
  const child = spawn(server.command, flags, {
    detached: true,
    stdio: ["ignore", out, out],
    env: { ...server.env },
    cwd: "/",
  });
  closeSync(out);
  let ended: string | null = null;
  child.once("error", (error) => {
    ended = error.message;
  });
  child.once("exit", (code) => {
    ended = `it ended with code ${code}`;
  });
  child.unref();
  for (let round = 0; round < 200; round += 1) {
    if (await answers(socket)) return;
    if (ended !== null) break;
    await sleep(25);
  }
  child.kill("SIGKILL");
  throw new AssayError("E_REDIS_MISSING", "the private Redis did not start", {
    where: server.command,
    got: ended ?? "no answer within 5 s",
    next: `see ${log}, or give --redis URL`,
  });
}

/** Other processes on the server, told by the names of their connections. */
async function otherUsers(redis: Redis, own: string): Promise<number> {
  const list = (await redis.client("LIST")) as string;
  return list.split("\n").filter((line) => / name=assay-user-/.test(line) && !line.includes(` name=${own} `)).length;
}
