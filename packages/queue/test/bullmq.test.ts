import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { assertRedis, type BullmqOptions, bullmqQueue } from "../src/bullmq.ts";
import type { JobQueue, LeasedJob } from "../src/port.ts";
import { type FoundRedis, findRedis, testRedis } from "../src/private-redis.ts";
import { ask, privateServer } from "./private-server.ts";
import { queueContract } from "./queue-contract.ts";
import { startProcess } from "./start-process.ts";

let redis: FoundRedis;
beforeAll(async () => {
  redis = await testRedis(process.env);
}, 120_000);
afterAll(() => redis?.close());

const never = new AbortController().signal;
const randomName = (): string => `assay.${randomBytes(8).toString("hex")}.00000000`;
const settings = (name: string): BullmqOptions => ({ connect: redis.connect, name, workerName: "test", pollMs: 20 });
const open = (name: string, times: { lockMs?: number; stalledMs?: number } = {}): JobQueue =>
  bullmqQueue({ ...settings(name), ...times });

describe("BullMQ queue", () => {
  queueContract(async () => {
    const name = randomName();
    const a = open(name);
    const b = open(name);
    return {
      a,
      b,
      close: async () => {
        await Promise.all([a.close(), b.close()]);
      },
    };
  });

  test("the chunk of a worker that closed without ending it is taken by another", async () => {
    const name = randomName();
    const dying = open(name, { lockMs: 300, stalledMs: 100 });
    const living = open(name, { lockMs: 300, stalledMs: 100 });
    await dying.add([{ batch: "b-0", chunk: 7, priority: 1 }]);
    expect((await dying.take(never))?.job.chunk).toBe(7);
    await dying.close();
    expect((await takeOne(living)).job.chunk).toBe(7);
    await living.close();
  });

  test("a take ends after its few seconds also when the clock is set back meanwhile", async () => {
    const queue = open(randomName());
    const { now } = Date;
    let backMs = 0;
    const clock = jest.spyOn(Date, "now").mockImplementation(() => now() - backMs);
    try {
      const taking = queue.take(never);
      backMs = 3_600_000;
      expect(await Promise.race([taking, sleep(15_000, "still taking")])).toBeNull();
    } finally {
      clock.mockRestore();
      await queue.close();
    }
  });

  test("a job that is in no list is healed by remove and add", async () => {
    const name = randomName();
    const queue = open(name);
    const job = { batch: "b-0", chunk: 3 };
    await queue.add([{ ...job, priority: 1 }]);
    const admin = redis.connect();
    await admin.del(`{assay}:${name}:prioritized`);
    await queue.add([{ ...job, priority: 1 }]);
    // the add had no effect: the id is taken by a job that nobody will ever get
    expect(await queue.missing([job])).toEqual([job]);
    await queue.remove([job]);
    await queue.add([{ ...job, priority: 1 }]);
    expect(await queue.missing([job])).toEqual([]);
    expect((await queue.take(never))?.job).toEqual(job);
    admin.disconnect();
    await queue.close();
  });

  test("aborting a take in the moment a job arrives loses no job", async () => {
    const name = randomName();
    // with the lock's usual length a job that an aborted take kept would not come back within the test
    const taker = open(name);
    const other = open(name);
    const rounds = 40;
    const served: number[] = [];
    for (let chunk = 0; chunk < rounds; chunk += 1) {
      const controller = new AbortController();
      const taking = taker.take(controller.signal);
      const adding = other.add([{ batch: "b-0", chunk, priority: 1 }]);
      // sooner and later than the answer of Redis, by turns of the event loop
      for (let turn = 0; turn < chunk % 8; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      controller.abort();
      await adding;
      const leased = await taking;
      if (leased !== null) served.push(leased.job.chunk);
      await leased?.done();
    }
    await taker.close();
    while (served.length < rounds) {
      const leased = await other.take(never);
      if (leased === null) break;
      served.push(leased.job.chunk);
      await leased.done();
    }
    expect(served.sort((x, y) => x - y)).toEqual(Array.from({ length: rounds }, (_, chunk) => chunk));
    await other.close();
  }, 30_000);

  test("a lease that is renewed is nobody else's, however long the work takes", async () => {
    const name = randomName();
    // half of it is what a loaded machine may keep this process from running
    const holder = open(name, { lockMs: 1_000, stalledMs: 50 });
    const other = open(name, { lockMs: 1_000, stalledMs: 50 });
    await holder.add([{ batch: "b-0", chunk: 0, priority: 1 }]);
    const leased = await holder.take(never);
    expect(leased?.job.chunk).toBe(0);
    // each take waits for 3 s: 6 times the lock in all, some 100 looks for lapsed leases
    expect(await other.take(never)).toBeNull();
    expect(await other.take(never)).toBeNull();
    await leased?.done();
    expect(await other.missing([{ batch: "b-0", chunk: 0 }])).toHaveLength(1);
    await Promise.all([holder.close(), other.close()]);
  });

  test("two queues on one Redis do not see each other's jobs or nudges", async () => {
    const a = open(randomName());
    const b = open(randomName());
    const job = { batch: "b-0", chunk: 0, priority: 1 };
    await a.add([job]);
    expect(await b.missing([job])).toEqual([job]);
    await b.remove([job]);
    expect(await a.missing([job])).toEqual([]);
    await b.add([{ ...job, chunk: 1 }]);
    expect((await b.take(never))?.job.chunk).toBe(1);
    expect(await b.virtualTime()).toBe(0);
    expect(await a.courtesy("task", 60_000)).toBe(true);
    expect(await b.courtesy("task", 60_000)).toBe(true);
    await Promise.all([a.close(), b.close()]);
  });

  test("10,000 jobs are added, found and removed in slices", async () => {
    const queue = open(randomName());
    const window = Array.from({ length: 10_000 }, (_, chunk) => ({ batch: "b-0", chunk, priority: chunk + 1 }));
    const another = { batch: "b-0", chunk: 10_000 };
    await queue.add(window);
    expect(await queue.missing([...window, another])).toEqual([another]);
    await queue.remove([...window.slice(0, 9_999), another]);
    expect(await queue.missing(window)).toHaveLength(9_999);
    expect(await queue.virtualTime()).toBe(10_000);
    await queue.close();
  });

  test("a priority beyond the end of BullMQ's scale stands at its end", async () => {
    const queue = open(randomName());
    await queue.add([{ batch: "b-0", chunk: 0, priority: 3_000_000 }]);
    expect(await queue.virtualTime()).toBe(2_097_151);
    await queue.close();
  });

  test("a job without an address is dropped with a word, and the next one is taken", async () => {
    const name = randomName();
    const warnings: string[] = [];
    const queue = bullmqQueue({ ...settings(name), onWarning: (text) => warnings.push(text) });
    await queue.add([
      { batch: "b-0", chunk: 0, priority: 1 },
      { batch: "b-0", chunk: 1, priority: 2 },
    ]);
    // the id stands in a list, its hash was lost
    await ask(redis, (admin) => admin.del(`{assay}:${name}:b-0.c000000`));
    expect((await queue.take(never))?.job.chunk).toBe(1);
    expect(await queue.missing([{ batch: "b-0", chunk: 0 }])).toHaveLength(1);
    expect(warnings).toEqual([expect.stringContaining("b-0.c000000")]);
    await queue.close();
  });

  test("Redis holds addresses of chunks and nothing else of the user's, whatever happens to a job", async () => {
    const name = randomName();
    const queue = open(name);
    const secret = "what the user wrote";
    const jobs = Array.from({ length: 5 }, (_, chunk) => ({ batch: "b-0", chunk, priority: 1, rows: [secret] }));
    await queue.add(jobs);
    const [done, back] = [await queue.take(never), await queue.take(never), await queue.take(never)];
    await done?.done();
    await back?.handBack();
    await queue.remove(jobs.slice(4));
    await queue.courtesy("task", 60_000);
    await queue.nudge("b-0");
    const held = await ask(redis, async (admin) => {
      const keys = await admin.keys(`*${name}*`);
      return Promise.all(
        keys.map(async (key) => [key.replace(`{assay}:${name}:`, ""), await read(admin, key)] as const),
      );
    });
    await queue.close();

    const jobHashes = held.filter(([key]) => /^b-0\.c00000\d$/.test(key));
    expect(jobHashes.map(([key]) => key).sort()).toEqual(["b-0.c000001", "b-0.c000002", "b-0.c000003"]);
    for (const [key, value] of jobHashes) {
      const { data, opts, ...rest } = value as { [field: string]: string };
      expect(JSON.parse(data ?? "")).toEqual({ batch: "b-0", chunk: Number(key.slice(-1)) });
      expect(Object.keys(JSON.parse(opts ?? "")).sort()).toEqual([...ownOptions].sort());
      expect(Object.keys(rest).filter((field) => !bullFields.has(field))).toEqual([]);
    }
    const others = held.map(([key]) => key).filter((key) => !/^b-0\.c00000[123]$/.test(key));
    expect(others.filter((key) => !bullKeys.has(key))).toEqual([]);
    expect(JSON.stringify(held)).not.toContain(secret);
  });
});

/** Options of a job in BullMQ's short names: sizeLimit, attempts and so on. */
const ownOptions = [
  "attempts",
  "jobId",
  "priority",
  "removeOnComplete",
  "removeOnFail",
  "sizeLimit",
  "stackTraceLimit",
];
const bullFields = new Set(["name", "timestamp", "delay", "priority", "processedOn", "pb", "ats"]);
const bullKeys = new Set(
  "id meta pc marker events prioritized wait active stalled stalled-check b-0.c000002:lock courtesy:task".split(" "),
);

describe("a process", () => {
  const server = privateServer();
  const times = { lockMs: 300, stalledMs: 100 };
  let found: FoundRedis;
  beforeAll(async () => {
    found = await findRedis(server);
  }, 120_000);
  afterAll(async () => {
    await found?.close();
    await rm(server.socketDir, { recursive: true, force: true });
  }, 30_000);

  test("that is killed loses its lease to another", async () => {
    const name = randomName();
    const queue = bullmqQueue({ ...settings(name), connect: found.connect, ...times });
    await queue.add([{ batch: "b-0", chunk: 7, priority: 1 }]);
    const holder = startProcess({ part: "hold", redis: server, name, ...times });
    try {
      expect(await holder.line()).toBe("took 7");
      holder.child.kill("SIGKILL");
      await holder.ended;
      const again = await takeOne(queue);
      expect(again.job).toEqual({ batch: "b-0", chunk: 7 });
    } finally {
      holder.child.kill("SIGKILL");
      await queue.close();
    }
  });

  test("that has closed everything ends by itself", async () => {
    const name = randomName();
    const queue = bullmqQueue({ ...settings(name), connect: found.connect });
    await queue.add([{ batch: "b-0", chunk: 7, priority: 1 }]);
    // the server and its user here outlive it
    const user = startProcess({ part: "end", redis: server, name, ...times });
    try {
      expect([await user.line(), await user.line()]).toEqual(["took 7", "closed with a lease"]);
      expect(await user.ended).toEqual([0, null]);
      expect(await ask(found, (admin) => admin.ping())).toBe("PONG");
    } finally {
      user.child.kill("SIGKILL");
      await queue.close();
    }
  });

  test("that has closed everything ends by itself, its Redis having died before", async () => {
    const own = privateServer();
    const user = startProcess({ part: "end-without-redis", redis: own, name: randomName(), ...times });
    try {
      expect([await user.line(), await user.line()]).toEqual(["took undefined", "closed without a lease"]);
      expect(await user.ended).toEqual([0, null]);
    } finally {
      user.child.kill("SIGKILL");
      await rm(own.socketDir, { recursive: true, force: true });
    }
  });
});

/** A take ends empty-handed every few seconds; one that is lost for good ends the test by its time limit. */
async function takeOne(queue: JobQueue): Promise<LeasedJob> {
  for (;;) {
    const leased = await queue.take(never);
    if (leased !== null) return leased;
  }
}

async function read(admin: Redis, key: string): Promise<unknown> {
  switch (await admin.type(key)) {
    case "hash":
      return admin.hgetall(key);
    case "list":
      return admin.lrange(key, 0, -1);
    case "zset":
      return admin.zrange(key, "0", "-1", "WITHSCORES");
    case "set":
      return admin.smembers(key);
    case "stream":
      return admin.xrange(key, "-", "+");
    default:
      return admin.get(key);
  }
}

describe("assertRedis", () => {
  test("refuses a Redis that may evict jobs, and names the setting", async () => {
    const admin = redis.connect();
    const [, policy = ""] = (await admin.config("GET", "maxmemory-policy")) as string[];
    expect((await assertRedis(admin, { where: redis.where, limitMs: 5_000 })).version).toMatch(/^\d+\.\d+/);
    await admin.config("SET", "maxmemory-policy", "allkeys-lru");
    try {
      await expect(assertRedis(admin, { where: redis.where, limitMs: 5_000 })).rejects.toMatchObject({
        code: "E_USAGE",
        expected: "maxmemory-policy noeviction",
        got: "allkeys-lru",
      });
    } finally {
      await admin.config("SET", "maxmemory-policy", policy);
      admin.disconnect();
    }
  });
});
