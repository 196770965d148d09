import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type FoundRedis, testRedis } from "@assay/queue/private-redis";
import { type Simulator, startSimulator } from "@assay/simulator";
import { type S3Server, startS3Server } from "@assay/testkit";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { expectExit, startAssay, until } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/** Real processes over an S3 that answers nothing but 503 from the middle of a chunk on. */

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

test("drained while the store is away: finished rows wait on this host's disk, and the same command asks only the rest", async () => {
  const folder = await tempFolder();
  const input = join(folder, "one.jsonl");
  const rows = 150;
  const principles = Array.from({ length: rows }, (_, i) => `principle ${i}`);
  await writeFile(input, `${JSON.stringify({ prompt: "How many?", response: "2", principles })}\n`);
  const env = {
    AWS_ENDPOINT_URL: s3.url,
    AWS_ACCESS_KEY_ID: "x",
    AWS_SECRET_ACCESS_KEY: "x",
    XDG_CACHE_HOME: join(folder, "cache"),
  };
  const url = redis.kind === "private" ? `unix://${redis.where}` : redis.where;
  const root = `s3://${s3.bucket}/root`;
  const score = ["score", input, "--root", root, "--redis", url, "--engine", simulator.url, "--in-flight", "16"];
  const first = startAssay(score, { env });
  await until(() => simulator.stats.requests >= 40);
  s3.setFaults([{ does: "refuse", status: 503, code: "SlowDown", times: Number.POSITIVE_INFINITY }]);
  await until(() => simulator.stats.requests >= 200);
  first.child.kill("SIGTERM");
  const ended = await first.ended;
  // how far the batch is says the store, and that is away
  expect(ended.code).toBe(6);
  expect(ended.stderr).toMatch(/\d+ finished rows of chunk 0 on this host's disk until the store is back/);
  expect(await filesBelow(join(folder, "cache", "assay", "spool"))).toHaveLength(1);

  s3.setFaults([]);
  const before = simulator.stats.requests;
  const second = await expectExit(0, score, { env });
  expect(second.stderr).toMatch(/took 1 checkpoint from this host's disk into the store/);
  // two requests a row, and the probe's own
  expect(simulator.stats.requests - before).toBeLessThan(2 * (rows - 60) + 40);
  expect(await filesBelow(join(folder, "cache", "assay", "spool"))).toEqual([]);
  await expectExit(0, ["verify", "latest", "--root", root], { env });
}, 120_000);

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}
