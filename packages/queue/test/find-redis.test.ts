import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import { Redis } from "ioredis";
import { type FoundRedis, findRedis } from "../src/private-redis.ts";
import { unpackRedis } from "../src/unpack-redis.ts";
import { ask, killServer, privateServer } from "./private-server.ts";

const opened: FoundRedis[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const redis of opened.splice(0)) await redis.close();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
}, 30_000);

async function find(options: Parameters<typeof findRedis>[0]): Promise<FoundRedis> {
  const redis = await findRedis(options);
  opened.push(redis);
  return redis;
}

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "assay-test-"));
  folders.push(folder);
  return folder;
}

function server(): ReturnType<typeof privateServer> {
  const options = privateServer();
  folders.push(options.socketDir);
  return options;
}

describe("the private Redis", () => {
  test("users join and find the first one's jobs, whoever leaves; the last to leave ends it", async () => {
    const options = server();
    const users = [await find(options)];
    await ask(users[0] as FoundRedis, (client) => client.set("job", "1"));
    users.push(await find(options), await find(options));
    expect(users.map(({ joined }) => joined)).toEqual([false, true, true]);
    while (users.length > 0) {
      for (const user of users) expect(await ask(user, (client) => client.get("job"))).toBe("1");
      await users.shift()?.close();
    }
    expect(await readdir(options.socketDir)).toEqual([]);
  }, 120_000);

  test("users that start at once end up on one server", async () => {
    const options = server();
    const users = await Promise.all(Array.from({ length: 4 }, () => find(options)));
    expect(users.filter(({ joined }) => !joined)).toHaveLength(1);
    const pids = await Promise.all(
      users.map((user) => ask(user, async (client) => /process_id:(\d+)/.exec(await client.info("server"))?.[1])),
    );
    expect(new Set(pids).size).toBe(1);
  }, 120_000);

  test("users that come and go at once always hold a server that answers", async () => {
    const options = server();
    for (let round = 0; round < 5; round += 1) {
      const old = await find(options);
      const [fresh] = await Promise.all([find(options), old.close()]);
      expect(await ask(fresh, (client) => client.ping())).toBe("PONG");
      await fresh.close();
    }
  }, 120_000);

  test("what a crashed user left behind is thrown away by the next one", async () => {
    const options = server();
    await mkdir(options.socketDir, { mode: 0o700 });
    const socket = join(options.socketDir, `assay-${options.rootId}.sock`);
    // a server with a memory and without users, as a SIGKILL leaves it
    await startByHand(["--port", "0", "--unixsocket", socket], { path: socket }, (client) =>
      client.set("lease", "of a dead worker"),
    );
    const next = await find(options);
    expect(next.joined).toBe(true);
    expect(await ask(next, (client) => client.get("lease"))).toBeNull();
  }, 120_000);

  test("the lock of a process that died while it started Redis stops nobody for long", async () => {
    const options = server();
    await mkdir(options.socketDir, { mode: 0o700 });
    const lock = join(options.socketDir, `assay-${options.rootId}.sock.lock`);
    await writeFile(lock, "1");
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(lock, longAgo, longAgo);
    expect((await find(options)).joined).toBe(false);
    expect(existsSync(lock)).toBe(false);
  }, 120_000);

  test("is for this user only, keeps nothing on disk, never evicts", async () => {
    const options = server();
    const redis = await find(options);
    expect((await stat(options.socketDir)).mode & 0o777).toBe(0o700);
    expect((await stat(redis.where)).mode & 0o777).toBe(0o700);
    for (const [name, value] of [
      ["port", "0"],
      ["save", ""],
      ["appendonly", "no"],
      ["maxmemory-policy", "noeviction"],
    ] as const) {
      expect(await ask(redis, (client) => client.config("GET", name))).toEqual([name, value]);
    }
  }, 120_000);

  test("leaving a server that is gone already does not hang", async () => {
    const redis = await find(server());
    await killServer(redis);
    await redis.close();
  }, 120_000);

  test("a socket path that no system takes is refused before anything starts", async () => {
    const options = { ...server(), socketDir: join(await temporary(), "x".repeat(100)) };
    await expect(findRedis(options)).rejects.toMatchObject({ code: "E_REDIS_MISSING", expected: "at most 107 bytes" });
  });

  test("a host with no place for a socket or for the unpacked package has no Redis, which is no crash", async () => {
    const file = join(await temporary(), "a file");
    await writeFile(file, "");
    const below = join(file, "folder");
    await expect(findRedis({ ...server(), socketDir: below })).rejects.toMatchObject({
      code: "E_REDIS_MISSING",
      where: below,
      got: "ENOTDIR",
    });
    await expect(findRedis({ ...server(), path: await temporary(), cacheDir: below })).rejects.toMatchObject({
      code: "E_REDIS_MISSING",
    });
  });

  test("without any server to be had the error names what to install", async () => {
    const options = { ...server(), path: await temporary(), cacheDir: await temporary() };
    await expect(findRedis(options)).rejects.toMatchObject({
      code: "E_REDIS_MISSING",
      next: expect.stringMatching(/apt-get install .* dnf install .* brew install/),
    });
  });
});

describe("a given Redis", () => {
  test("that does not answer is E_REDIS_UNAVAILABLE, and no password is in the error", async () => {
    // nobody listens on port 1
    const failure = await findRedis({ ...server(), url: "redis://user:secret@127.0.0.1:1" }).catch((error) => error);
    expect(failure).toMatchObject({ code: "E_REDIS_UNAVAILABLE", where: "redis://127.0.0.1:1" });
    expect(JSON.stringify([failure.message, failure.where, failure.got])).not.toContain("secret");
  });

  test("that refuses the password, or asks for one, is E_DENIED, and the password is not said", async () => {
    const port = await freePort();
    const flags = ["--port", String(port), "--bind", "127.0.0.1", "--requirepass", "right"];
    const child = await startByHand(flags, { port, password: "right" }, (client) => client.ping());
    try {
      for (const user of [":wr0ng@", ""]) {
        const url = `redis://${user}127.0.0.1:${port}`;
        const failure = await findRedis({ ...server(), url }).catch((error) => error);
        expect(failure).toMatchObject({ code: "E_DENIED", exit: 5, where: `redis://127.0.0.1:${port}` });
        expect(JSON.stringify([failure.message, failure.where, failure.got])).not.toContain("wr0ng");
      }
    } finally {
      child.kill("SIGKILL");
    }
  });

  test("is used as it is: not emptied, not ended", async () => {
    const port = await freePort();
    const child = await startByHand(["--port", String(port), "--bind", "127.0.0.1"], { port }, (client) =>
      client.set("job", "1"),
    );
    try {
      const given = await find({ ...server(), url: `redis://127.0.0.1:${port}` });
      expect(given).toMatchObject({ kind: "given", where: `redis://127.0.0.1:${port}` });
      await given.close();
      expect(await ask(given, (client) => client.get("job"))).toBe("1");
    } finally {
      child.kill("SIGKILL");
    }
  }, 120_000);

  test("what is no URL is E_USAGE", async () => {
    await expect(findRedis({ ...server(), url: "localhost" })).rejects.toMatchObject({ code: "E_USAGE" });
  });
});

describe("unpackRedis", () => {
  const path = process.env.PATH ?? "";
  const hasApt = path.split(":").some((folder) => existsSync(join(folder, "apt-get")));

  test("without apt-get there is nothing to unpack, and nothing stays behind", async () => {
    const cacheDir = await temporary();
    expect(await unpackRedis({ cacheDir, path: await temporary(), onNotice: () => {} })).toBeNull();
    expect(await readdir(cacheDir)).toEqual([]);
  });

  test("two at once share one unpacked server, which a third finds without a word", async () => {
    if (!hasApt) {
      console.warn("no apt-get on PATH: unpacking the Debian package was NOT tested here");
      return;
    }
    const cacheDir = await temporary();
    const notices: string[] = [];
    const unpack = () => unpackRedis({ cacheDir, path, onNotice: (text) => notices.push(text) });
    const [one, two] = await Promise.all([unpack(), unpack()]);
    expect(one).not.toBeNull();
    expect(two).toEqual(one);
    const said = notices.length;
    expect(await unpack()).toEqual(one);
    expect(notices).toHaveLength(said);
    expect(await readdir(cacheDir)).toEqual([`redis-${process.arch}`]);

    // a PATH without redis-server, with or without apt-get: the unpacked one is found
    for (const path of [await temporary(), ""]) expect(await executable({ cacheDir, path })).toContain(cacheDir);
  }, 180_000);

  test("an empty PATH hides a system's apt-get from nobody", async () => {
    if (!["/usr/bin/apt-get", "/bin/apt-get"].some(existsSync)) {
      console.warn("no apt-get where systems keep it: an empty PATH was NOT tested here");
      return;
    }
    const cacheDir = await temporary();
    expect(await executable({ cacheDir, path: "" })).toContain(cacheDir);
  }, 180_000);

  /** Path of the server that findRedis starts. */
  async function executable(options: { cacheDir: string; path: string }): Promise<string> {
    const redis = await find({ ...server(), ...options });
    return /executable:(\S+)/.exec(await ask(redis, (client) => client.info("server")))?.[1] ?? "";
  }
});

/** A server that no findRedis started; resolves once `fill` has been done. */
async function startByHand(
  flags: string[],
  address: { path: string } | { port: number; password?: string },
  fill: (client: Redis) => Promise<unknown>,
): Promise<ChildProcess> {
  const { path, cacheDir } = privateServer();
  const installed = path
    .split(":")
    .map((folder) => join(folder, "redis-server"))
    .find(existsSync);
  const found =
    installed === undefined
      ? await unpackRedis({ cacheDir, path, onNotice: () => {} })
      : { command: installed, env: {} };
  if (found === null) throw new Error("this test needs a redis-server: apt-get install redis-server");
  const quiet = ["--save", "", "--appendonly", "no", "--dir", tmpdir()];
  const child = spawn(found.command, [...flags, ...quiet], { stdio: "ignore", env: found.env });
  // commands wait until it listens
  const client = new Redis({ ...address, maxRetriesPerRequest: null, retryStrategy: () => 20 });
  client.on("error", () => {});
  await fill(client);
  client.disconnect();
  return child;
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  listener.close();
  await once(listener, "close");
  return port;
}
