import { once } from "node:events";
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type BullmqOptions, bullmqQueue } from "../src/bullmq.ts";
import type { JobQueue } from "../src/port.ts";
import { type FoundRedis, findRedis } from "../src/private-redis.ts";
import { ask, killServer, privateServer, stopServer } from "./private-server.ts";

const never = new AbortController().signal;
const job = { batch: "b-0", chunk: 0, priority: 1 };

describe("BullMQ queue, when Redis loses everything", () => {
  const server = privateServer();
  const users: FoundRedis[] = [];
  const warnings: string[] = [];
  const open = (name: string, times: Partial<BullmqOptions> = {}): JobQueue =>
    bullmqQueue({
      connect: () => (users[0] as FoundRedis).connect(),
      name,
      workerName: "test",
      pollMs: 20,
      lockMs: 200,
      stalledMs: 100,
      onWarning: (text) => warnings.push(text),
      ...times,
    });
  beforeAll(async () => {
    users.push(await findRedis(server));
  }, 120_000);
  afterAll(async () => {
    for (const user of users) await user.close();
    await rm(server.socketDir, { recursive: true, force: true });
  });

  test("FLUSHALL: a lease says once that it was refused, ending it does no harm, all jobs can be added anew", async () => {
    const queue = open("assay.flushed");
    const jobs = Array.from({ length: 5 }, (_, chunk) => ({ ...job, chunk, priority: chunk + 1 }));
    await queue.add(jobs);
    const leased = await queue.take(never);
    let refusals = 0;
    const refused = new Promise<void>((resolve) =>
      leased?.onRefused(() => {
        refusals += 1;
        resolve();
      }),
    );
    await ask(users[0] as FoundRedis, (admin) => admin.flushall());
    await refused;
    expect(await queue.missing(jobs)).toEqual(jobs);
    await leased?.done();
    await queue.add(jobs);
    expect(await queue.missing(jobs)).toEqual([]);
    expect((await queue.take(never))?.job).toEqual({ batch: "b-0", chunk: 0 });
    expect(refusals).toBe(1);
    await queue.close();
  });

  test("a subscription that Redis refuses after a reconnect ends nothing, and is there again when it is taken", async () => {
    const user = users[0] as FoundRedis;
    const made: ReturnType<FoundRedis["connect"]>[] = [];
    const connect = () => {
      const redis = user.connect();
      made.push(redis);
      return redis;
    };
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on("unhandledRejection", note);
    const queue = open("assay.refused", { connect });
    try {
      const heard: string[] = [];
      queue.onNudge((batch) => heard.push(batch));
      const subscriber = made.at(-1) as (typeof made)[number];
      const back = async (rule: string): Promise<void> => {
        await ask(user, (admin) => admin.acl("SETUSER", "default", rule));
        const ready = once(subscriber, "ready");
        subscriber.disconnect(true);
        await ready;
        // behind the subscription
        await subscriber.ping();
      };
      await once(subscriber, "ready");
      await subscriber.ping();
      await back("-subscribe");
      await back("+subscribe");
      await queue.nudge("b-0");
      await subscriber.ping();
      expect(heard).toEqual(["b-0"]);
      expect(unhandled).toEqual([]);
    } finally {
      process.off("unhandledRejection", note);
      await queue.close();
    }
  });

  test("connections cut: the lease stays, jobs are taken, nudges are heard, and the reconnect is told", async () => {
    // longer than the back-off of a reconnect
    const queue = open("assay.cut", { lockMs: 60_000 });
    await queue.add([job, { ...job, chunk: 1 }]);
    const leased = await queue.take(never);
    let refusals = 0;
    leased?.onRefused(() => {
      refusals += 1;
    });
    const heard = new Promise<string>((resolve) => queue.onNudge(resolve));
    const reconnected = new Promise<void>((resolve) => queue.onReconnect(resolve));
    await ask(users[0] as FoundRedis, async (admin) => {
      for (const type of ["normal", "pubsub"]) await admin.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
    });
    await reconnected;
    let told = false;
    void heard.then(() => {
      told = true;
    });
    while (!told) await queue.nudge("b-1");
    let next = await queue.take(never);
    while (next === null) next = await queue.take(never);
    expect(next.job.chunk).toBe(1);
    expect(refusals).toBe(0);
    await leased?.done();
    expect((await queue.missing([job, { ...job, chunk: 1 }])).map(({ chunk }) => chunk)).toEqual([0]);
    await queue.close();
  });

  test("Redis away and back, empty: nothing hangs or rejects but what says so; then all goes on", async () => {
    const queue = open("assay.restarted");
    const hasty = open("assay.restarted", { limitMs: 300 });
    let reconnects = 0;
    const reconnected = new Promise<void>((resolve) =>
      queue.onReconnect(() => {
        reconnects += 1;
        resolve();
      }),
    );
    await queue.add([job, { ...job, chunk: 1 }]);
    const leased = await queue.take(never);
    const refused = new Promise<void>((resolve) => leased?.onRefused(resolve));
    await killServer(users[0] as FoundRedis);

    for (const asked of [
      hasty.add([job]),
      hasty.missing([job]),
      hasty.remove([job]),
      hasty.virtualTime(),
      hasty.lastPriority(),
    ]) {
      await expect(asked).rejects.toMatchObject({ code: "E_REDIS_UNAVAILABLE", where: "assay.restarted" });
    }
    expect(await queue.take(never)).toBeNull();
    expect(await queue.take(never)).toBeNull();
    await queue.nudge("b-0");
    expect(await queue.courtesy("task", 60_000)).toBe(true);
    expect(reconnects).toBe(0);

    users.push(await findRedis(server));
    expect(users[1]?.joined).toBe(false);
    await reconnected;
    // an answer at last, and a refusal: the lease is gone with the old server's memory
    await refused;
    // the add of the outage was sent when Redis was back: at least once is all that a queue promises
    await queue.remove([job]);
    await queue.add([job]);
    const again = await queue.take(never);
    expect(again?.job).toEqual({ batch: "b-0", chunk: 0 });
    await again?.done();
    expect(await queue.missing([job])).toEqual([job]);
    await Promise.all([queue.close(), hasty.close()]);
    expect(warnings.length).toBeGreaterThan(0);
    expect(warnings.join(" ")).not.toContain("b-0");
  });

  test("a lease ended while Redis is away is ended there when it comes back", async () => {
    // a lock that outlasts the outage: one that lapsed could not be ended
    const queue = open("assay.late", { lockMs: 60_000 });
    const other = open("assay.late", { limitMs: 300 });
    await queue.add([job]);
    const leased = await queue.take(never);
    const goOn = await stopServer(users[0] as FoundRedis);
    try {
      await leased?.done();
      await expect(other.missing([job])).rejects.toMatchObject({ code: "E_REDIS_UNAVAILABLE" });
    } finally {
      goOn();
    }
    let left = await other.missing([job]).catch(() => []);
    while (left.length === 0) left = await other.missing([job]).catch(() => []);
    expect(left).toEqual([job]);
    await Promise.all([queue.close(), other.close()]);
  });

  test("Redis stopped for longer than the lock: refused once, and another takes the chunk; its first holder may end it", async () => {
    const queue = open("assay.stopped");
    const other = open("assay.stopped", { lockMs: 60_000, limitMs: 300 });
    await queue.add([job]);
    const leased = await queue.take(never);
    let refusals = 0;
    const refused = new Promise<void>((resolve) =>
      leased?.onRefused(() => {
        refusals += 1;
        resolve();
      }),
    );
    const goOn = await stopServer(users[0] as FoundRedis);
    try {
      // each waits for longer than the lock
      for (let round = 0; round < 3; round += 1) await expect(other.missing([job])).rejects.toThrow();
    } finally {
      goOn();
    }
    await refused;
    let next = await other.take(never);
    while (next === null) next = await other.take(never);
    expect(next.job).toEqual({ batch: "b-0", chunk: 0 });
    await leased?.done();
    // the first holder's end is not the second one's
    expect(await queue.missing([job])).toEqual([]);
    expect(refusals).toBe(1);
    await next.done();
    expect(await queue.missing([job])).toEqual([job]);
    await Promise.all([queue.close(), other.close()]);
  });

  test("a lease that its holder has ended is not refused afterwards", async () => {
    const queue = open("assay.ended", { lockMs: 1_000 });
    const other = open("assay.ended", { limitMs: 300 });
    await queue.add([job]);
    const leased = await queue.take(never);
    let refusals = 0;
    leased?.onRefused(() => {
      refusals += 1;
    });
    const goOn = await stopServer(users[0] as FoundRedis);
    try {
      // a renewal is under way by then, and done() waits until the lock has lapsed
      for (let round = 0; round < 3; round += 1) await expect(other.missing([job])).rejects.toThrow();
      await leased?.done();
    } finally {
      goOn();
    }
    // too late to end it: the chunk comes again, after the answer to the renewal
    let next = await queue.take(never);
    while (next === null) next = await queue.take(never);
    expect(refusals).toBe(0);
    await Promise.all([queue.close(), other.close()]);
  });

  test("closing while Redis is away ends, also with a fetch under way", async () => {
    const queue = open("assay.closed");
    await queue.add([job]);
    await (await queue.take(never))?.done();
    for (const user of users) await user.close();
    expect(await queue.take(AbortSignal.timeout(100))).toBeNull();
    await queue.close();
    users.length = 0;
    users.push(await findRedis(server));
    expect(users[0]?.joined).toBe(false);
  });
});
