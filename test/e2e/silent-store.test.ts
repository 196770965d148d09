import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type FoundRedis, testRedis } from "@assay/queue/private-redis";
import { type Simulator, startSimulator } from "@assay/simulator";
import { type S3Server, startS3Server } from "@assay/testkit";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { redisUrl } from "./redis-url.ts";
import { expectExit, startAssay, until } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/** Real processes over an S3 that accepts everything and answers nothing from the middle of a chunk on. */

let simulator: Simulator;
let redis: FoundRedis;
let s3: S3Server;
beforeAll(async () => {
  // 16 rows at once, about 60 a second
  simulator = await startSimulator({ slots: 16, tokensPerSecond: 400, reasoningTokens: 100 });
  redis = await testRedis(process.env);
  s3 = await startS3Server();
}, 120_000);
afterAll(async () => {
  await s3?.close();
  await redis?.close();
  await simulator?.close();
});

describe("a drain ends at its deadline while the store says nothing, and the process with it", () => {
  test.each(["worker", "score"])(
    "of %s",
    async (verb) => {
      const folder = await tempFolder();
      const input = join(folder, `${verb}.jsonl`);
      const principles = Array.from({ length: 200 }, (_, i) => `principle ${i}`);
      await writeFile(input, `${JSON.stringify({ prompt: `How many, ${verb}?`, response: "2", principles })}\n`);
      const env = {
        AWS_ENDPOINT_URL: s3.url,
        AWS_ACCESS_KEY_ID: "x",
        AWS_SECRET_ACCESS_KEY: "x",
        XDG_CACHE_HOME: join(folder, "cache"),
      };
      const at = ["--root", `s3://${s3.bucket}/${verb}`, "--redis", redisUrl(redis)];
      const ask = ["--engine", simulator.url, "--in-flight", "16", "--drain-seconds", "3"];
      const before = simulator.stats.requests;
      if (verb === "worker") await expectExit(0, ["submit", input, ...at, "--model", "simulator"], { env });
      const running = startAssay(verb === "worker" ? ["worker", ...at, ...ask] : ["score", input, ...at, ...ask], {
        env,
      });
      await until(() => simulator.stats.requests - before >= 60);
      s3.setFaults([{ does: "hang", times: Number.POSITIVE_INFINITY }]);
      await until(() => simulator.stats.requests - before >= 200);
      const signalled = Date.now();
      running.child.kill("SIGTERM");
      const ended = await running.ended;
      const seconds = (Date.now() - signalled) / 1_000;
      s3.setFaults([]);
      expect(ended.code).toBe(75);
      // 3 to drain, some for puts that say nothing, 10 for the store's word, 5 for what hangs; a call alone lasts 165
      expect(seconds).toBeLessThan(60);
      await expectExit(0, ["score", input, ...at, "--engine", simulator.url], { env });
      await expectExit(0, ["verify", "latest", "--root", `s3://${s3.bucket}/${verb}`], { env });
    },
    300_000,
  );
});
