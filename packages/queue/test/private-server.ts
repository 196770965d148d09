import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { Redis } from "ioredis";
import type { FindRedisOptions } from "../src/private-redis.ts";

/** Settings of a server that no other test knows, whatever TEST_REDIS_URL says: it may be emptied and ended. */
export function privateServer(): FindRedisOptions {
  return {
    rootId: randomBytes(8).toString("hex"),
    socketDir: join(tmpdir(), `assay-test-${randomBytes(4).toString("hex")}`),
    cacheDir: join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "assay"),
    path: process.env.PATH ?? "",
    onNotice: () => {},
  };
}

interface Server {
  readonly connect: () => Redis;
}

/** One question to the server on a connection of its own. */
export async function ask<T>(server: Server, work: (admin: Redis) => Promise<T>): Promise<T> {
  const admin = server.connect();
  try {
    return await work(admin);
  } finally {
    admin.disconnect();
  }
}

/** Ends the server as a crash would, users or not; resolves when it is gone. */
export async function killServer(server: Server): Promise<void> {
  const admin = server.connect();
  admin.on("error", () => {});
  const gone = new Promise<void>((resolve) => admin.once("close", resolve));
  // never answered; rejects at the disconnect
  admin.shutdown("NOSAVE").catch(() => {});
  await gone;
  admin.disconnect();
}

/** Stops the server's process, memory kept, so that it answers nobody; resolves to the way to let it go on. */
export async function stopServer(server: Server): Promise<() => void> {
  const pid = Number(/process_id:(\d+)/.exec(await ask(server, (admin) => admin.info("server")))?.[1]);
  process.kill(pid, "SIGSTOP");
  // the signal is under way for a moment; where there is no /proc it is taken on trust
  while (existsSync(`/proc/${pid}`) && !/\) T /.test(await readFile(`/proc/${pid}/stat`, "utf8")));
  return () => process.kill(pid, "SIGCONT");
}
