import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Redis } from "ioredis";
import { bullmqQueue, readStates } from "../src/bullmq.ts";
import type { JobQueue } from "../src/port.ts";
import { type FoundRedis, testRedis } from "../src/private-redis.ts";

let redis: FoundRedis;
let admin: Redis;
beforeAll(async () => {
  redis = await testRedis(process.env);
  admin = redis.connect();
}, 120_000);
afterAll(async () => {
  admin?.disconnect();
  await redis?.close();
});

const minute = 60_000;
const index = "{assay}:workers";
const randomName = (): string => `assay.${randomBytes(8).toString("hex")}.00000000`;

/** Workers of one queue, by the name of it. */
async function withQueues(
  count: number,
  work: (queues: readonly JobQueue[], told: () => Promise<string[]>, name: string) => Promise<void>,
): Promise<void> {
  const name = randomName();
  const queues = Array.from({ length: count }, () =>
    bullmqQueue({ connect: redis.connect, name, workerName: "test", pollMs: 20 }),
  );
  const told = async (): Promise<string[]> =>
    (await readStates(admin, { where: redis.where, limitMs: 5_000 }))
      .filter(({ queue }) => queue === name)
      .map(({ text }) => text)
      .sort();
  try {
    await work(queues, told, name);
  } finally {
    await Promise.all(queues.map((queue) => queue.close()));
  }
}

describe("what workers tell", () => {
  test("is one text a worker, the last one, until it takes it away", () =>
    withQueues(2, async ([a, b], told) => {
      expect(await told()).toEqual([]);
      await a?.tell("a scores", minute);
      await b?.tell("b scores", minute);
      await a?.tell("a waits", minute);
      expect(await told()).toEqual(["a waits", "b scores"]);
      await a?.tell(null, 0);
      expect(await told()).toEqual(["b scores"]);
      await b?.tell(null, 0);
      expect(await told()).toEqual([]);
    }));

  test("is told apart by queue", () =>
    withQueues(1, ([mine], toldMine) =>
      withQueues(1, async ([other], toldOther) => {
        await mine?.tell("mine", minute);
        await other?.tell("other", minute);
        expect([await toldMine(), await toldOther()]).toEqual([["mine"], ["other"]]);
      }),
    ));

  test("goes by itself when it is not told again: a worker that was killed", () =>
    withQueues(1, async ([queue], told) => {
      await queue?.tell("for a moment", 50);
      while ((await told()).length > 0) await new Promise((resolve) => setImmediate(resolve));
      await queue?.tell("again", minute);
      expect(await told()).toEqual(["again"]);
    }));

  test("is back with the next telling after a wipe", () =>
    withQueues(1, async ([queue], told, name) => {
      await queue?.tell("before", minute);
      const keys = await admin.keys(`{assay}:${name}:worker:*`);
      expect(keys).toHaveLength(1);
      await admin.del(index, ...keys);
      expect(await told()).toEqual([]);
      await queue?.tell("after", minute);
      expect(await told()).toEqual(["after"]);
    }));

  test("leaves no names behind for longer than a day", () =>
    withQueues(1, async ([queue]) => {
      const gone = `{assay}:${randomName()}:worker:gone`;
      await admin.zadd(index, Date.now() - 25 * 60 * minute, gone);
      await queue?.tell("here", minute);
      expect(await admin.zscore(index, gone)).toBeNull();
    }));

  test("is no job: nothing is there to take, and what was there stays", () =>
    withQueues(1, async ([queue]) => {
      await queue?.add([{ batch: "b-0", chunk: 0, priority: 1 }]);
      await queue?.tell("text", minute);
      expect((await queue?.take(new AbortController().signal))?.job).toEqual({ batch: "b-0", chunk: 0 });
    }));
});
