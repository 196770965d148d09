import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeShard } from "@assay/datasets";
import { type FoundRedis, testRedis } from "@assay/queue/private-redis";
import { type Simulator, startSimulator } from "@assay/simulator";
import { localStore } from "@assay/store/local";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { redisUrl } from "./redis-url.ts";
import { expectExit, startAssay, until } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/**
 * Real processes, a real Redis, a real kill: a worker dies in the middle, Redis loses everything twice, a cancelled
 * batch must stay cancelled, and in the end every row stands exactly once in what can be verified from the store.
 */

const rows = 1_500;
let simulator: Simulator;
let redis: FoundRedis;
let admin: ReturnType<FoundRedis["connect"]>;

beforeAll(async () => {
  // slow enough that a kill falls into the middle: about 300 rows a second
  simulator = await startSimulator({ slots: 64, tokensPerSecond: 600, reasoningTokens: 120 });
  redis = await testRedis(process.env);
  admin = redis.connect();
}, 120_000);

afterAll(async () => {
  admin?.disconnect();
  await redis?.close();
  await simulator?.close();
});

test("a killed worker, a Redis wiped twice and a cancelled batch: every row exactly once", async () => {
  const folder = await tempFolder();
  const root = join(folder, "root");
  const input = join(folder, "rollouts.jsonl");
  const other = join(folder, "other.jsonl");
  await writeFile(input, lines(rows, "a"));
  await writeFile(other, lines(600, "b"));
  const at = ["--root", root, "--redis", redisUrl(redis)];

  const submitted = await expectExit(0, ["submit", input, ...at, "--model", "simulator", "--principle", "correctness"]);
  const batch = submitted.stdout.trim();
  expect(submitted.stdout).toMatch(/^rollouts-[0-9a-f]{16}\n$/);

  const worker = ["worker", ...at, "--engine", simulator.url, "--until-idle", "--in-flight", "16"];
  const first = startAssay(worker);
  const second = startAssay(worker);
  const shards = async (): Promise<number> => (await readdir(join(root, batch, "rewards")).catch(() => [])).length;

  await until(async () => (await shards()) >= 8);
  first.child.kill("SIGKILL");
  expect(await first.ended).toMatchObject({ code: null });
  const atKill = await shards();
  expect(atKill).toBeLessThan(90);
  await admin.flushall();

  const stopped = (
    await expectExit(0, ["submit", other, ...at, "--model", "simulator", "--principle", "correctness"])
  ).stdout.trim();
  await expectExit(0, ["cancel", stopped, ...at]);
  await admin.flushall();

  const survivor = await second.ended;
  expect({ ...survivor, stderr: survivor.code === 0 ? "" : survivor.stderr }).toMatchObject({ code: 0, stderr: "" });

  await expectExit(0, ["verify", batch, "--root", root]);
  const state = JSON.parse((await expectExit(0, ["status", stopped, "--root", root, "--json"])).stdout);
  expect(state).toMatchObject({ state: "cancelled" });
  await expectExit(2, ["submit", other, ...at, "--model", "simulator", "--principle", "correctness"]);
  await expectExit(75, ["verify", stopped, "--root", root]);

  // by another way than verify's: the shards themselves
  const store = localStore(root);
  const seen: number[] = [];
  for await (const { key } of store.list(`${batch}/rewards/`)) {
    const { rows: results } = await decodeShard((await store.get(key)) ?? new Uint8Array());
    for (const row of results) {
      seen.push(row.row_index);
      expect(row).toMatchObject({ id: `a-${row.row_index}`, status: "ok", reward: expect.any(Number) });
    }
  }
  expect(seen).toEqual(Array.from({ length: rows }, (_, i) => i));
}, 180_000);

function lines(count: number, prefix: string): string {
  return Array.from({ length: count }, (_, i) =>
    JSON.stringify({ id: `${prefix}-${i}`, prompt: `What is ${i}+1?`, response: `${i}+1=${i + (i % 3)}` }),
  ).join("\n");
}
