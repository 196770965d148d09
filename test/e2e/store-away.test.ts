import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type FoundRedis, testRedis } from "@assay/queue/private-redis";
import { type Simulator, startSimulator } from "@assay/simulator";
import { type S3Server, startS3Server } from "@assay/testkit";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { redisUrl } from "./redis-url.ts";
import { expectExit, runAssay, startAssay, until } from "./run-assay.ts";
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
  const url = redisUrl(redis);
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

test("a worker whose store is away says so through Redis: status names the reason, also when it cannot ask the store itself", async () => {
  const folder = await tempFolder();
  const input = join(folder, "two.jsonl");
  const principles = Array.from({ length: 300 }, (_, i) => `principle ${i}`);
  await writeFile(input, `${JSON.stringify({ prompt: "How many more?", response: "2", principles })}\n`);
  const env = {
    AWS_ENDPOINT_URL: s3.url,
    AWS_ACCESS_KEY_ID: "x",
    AWS_SECRET_ACCESS_KEY: "x",
    XDG_CACHE_HOME: join(folder, "cache"),
  };
  const url = redisUrl(redis);
  const at = ["--root", `s3://${s3.bucket}/told`, "--redis", url];
  const status = (...more: string[]) => runAssay(["status", "latest", ...at, ...more], { env });
  await expectExit(0, ["submit", input, ...at, "--model", "simulator"], { env });
  expect((await status()).stdout).toMatch(/^ {2}workers {3}none says that it works for this root and model$/m);

  const before = simulator.stats.requests;
  const work = ["worker", ...at, "--engine", simulator.url, "--in-flight", "16", "--until-idle"];
  const worker = startAssay(work, { env });
  await until(() => simulator.stats.requests - before >= 60);
  const refuse = { does: "refuse", status: 503, code: "SlowDown", times: Number.POSITIVE_INFINITY } as const;
  // a bucket that is full answers every question
  s3.setFaults([{ ...refuse, action: "PutObject" }]);
  const waits = new RegExp(
    `^ {2}workers {3}1: 1 on \\S+:${worker.child.pid} waits for the store since \\S+Z \\(503 SlowDown.*\\): \\d+ finished rows kept, \\d+ on disk`,
    "m",
  );
  await until(async () => waits.test((await status()).stdout));

  s3.setFaults([refuse]);
  const away = await status();
  expect(away.code).toBe(6);
  expect(away.stdout).toMatch(/^latest {2}not known: the store does not answer$/m);
  expect(away.stdout).toMatch(waits);
  expect(away.stderr).toMatch(/^E_STORE_UNAVAILABLE/);
  const json = await status("--json");
  expect(json.code).toBe(6);
  expect(JSON.parse(json.stdout)).toMatchObject({
    state: null,
    store: { code: "E_STORE_UNAVAILABLE" },
    workers: [{ does: "waits-for-store", model: "simulator", is_full: false }],
  });
  expect(json.stdout).not.toMatch(/reward|logprob|How many/);

  s3.setFaults([]);
  expect((await worker.ended).code).toBe(0);
  const complete = await expectExit(0, ["status", "latest", ...at], { env });
  expect(complete.stdout).toMatch(/complete$/m);
  expect(complete.stdout).not.toMatch(/workers/);
  await expectExit(0, ["verify", "latest", "--root", `s3://${s3.bucket}/told`], { env });
}, 240_000);

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}
