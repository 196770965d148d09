import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeShard } from "@assay/datasets";
import { type FoundRedis, testRedis } from "@assay/queue/private-redis";
import { type Simulator, startSimulator } from "@assay/simulator";
import { localStore } from "@assay/store/local";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { otherBuild } from "./other-build.ts";
import { redisUrl } from "./redis-url.ts";
import { expectExit, startAssay, until } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";
import { writeQuestions } from "./write-questions.ts";

/** A rolling deploy: workers of two builds at one batch, both real processes. */

const cli = JSON.parse(readFileSync(new URL("../../apps/cli/package.json", import.meta.url), "utf8")) as {
  readonly version: string;
};
const rows = 600;
let simulator: Simulator;
let redis: FoundRedis;
let root: string;
let at: string[];
let worker: string[];
let batch: string;

beforeAll(async () => {
  // about 300 rows a second
  simulator = await startSimulator({ slots: 64, tokensPerSecond: 600, reasoningTokens: 120 });
  redis = await testRedis(process.env);
}, 120_000);
afterAll(async () => {
  await redis?.close();
  await simulator?.close();
});
beforeEach(async () => {
  const folder = await tempFolder();
  root = join(folder, "root");
  const input = join(folder, "rows.jsonl");
  await writeQuestions(input, rows);
  at = ["--root", root, "--redis", redisUrl(redis)];
  worker = ["worker", ...at, "--engine", simulator.url, "--until-idle", "--in-flight", "16"];
  const asked = ["submit", input, ...at, "--model", "simulator", "--principle", "correctness"];
  batch = (await expectExit(0, asked)).stdout.trim();
}, 60_000);

test("a patch release beside the release before it: both work at the batch, every shard says whose it is, and it is whole", async () => {
  const main = await otherBuild(await tempFolder(), { version: "0.1.999" });
  const patched = startAssay(worker, { main });
  const released = startAssay(worker);
  for (const one of [patched, released]) {
    const ended = await one.ended;
    expect({ code: ended.code, stderr: ended.code === 0 ? "" : ended.stderr }).toEqual({ code: 0, stderr: "" });
  }
  expect((await footers("assay.software")).sort()).toEqual([cli.version, "0.1.999"].sort());
  await expectExit(0, ["verify", batch, "--deep", "--root", root]);
  // either of them
  await expectExit(0, ["verify", batch, "--deep", "--root", root], { main });
}, 120_000);

test("a build of another format leaves the batch alone and says why; the other one goes on, and nothing is mixed", async () => {
  const main = await otherBuild(await tempFolder(), { format: 2, version: "9.0.0" });
  const other = startAssay(
    worker.filter((flag) => flag !== "--until-idle"),
    { main },
  );
  let said = "";
  other.child.stderr?.on("data", (text: string) => {
    said += text;
  });
  await until(() => said.includes(`${batch} is left alone: E_USAGE this batch was planned by another generation`));
  expect(await footers("assay.software")).toEqual([]);
  await expectExit(0, worker);
  other.child.kill("SIGTERM");
  expect((await other.ended).code).toBe(0);
  await expectExit(0, ["verify", batch, "--deep", "--root", root]);
  expect(await footers("assay.software")).toEqual([cli.version]);
  const refused = await expectExit(2, ["verify", batch, "--root", root], { main });
  expect(refused.stderr).toMatch(/expected +format 2\s+got +format 1\s/);
}, 120_000);

/** What the footers of the shards say, each once. */
async function footers(key: string): Promise<string[]> {
  const store = localStore(root);
  const values = new Set<string>();
  for await (const { key: shard } of store.list(`${batch}/rewards/`)) {
    const { metadata } = await decodeShard((await store.get(shard)) ?? new Uint8Array());
    values.add((metadata as { readonly [name: string]: string })[key] ?? "absent");
  }
  return [...values];
}
