import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Simulator, startSimulator } from "@assay/simulator";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { type RedisUnderTest, startRedis } from "../chaos/processes/redis-server.ts";
import { expectExit, type Running, startAssay, until } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";
import { writeQuestions } from "./write-questions.ts";

/** A real Redis that answers, and with nothing but an error: its disk is full, or it loads what it had. */

const rows = 900;
let simulator: Simulator;
let redis: RedisUnderTest;
let folder: string;
let root: string;
let at: string[];
let worker: string[];

beforeAll(async () => {
  // about 150 rows a second
  simulator = await startSimulator({ slots: 32, tokensPerSecond: 600, reasoningTokens: 120 });
}, 60_000);
afterAll(() => simulator?.close());
beforeEach(async () => {
  folder = await tempFolder();
  root = join(folder, "root");
  redis = await startRedis(folder);
  at = ["--root", root, "--redis", `redis://127.0.0.1:${redis.port}`];
  worker = ["worker", ...at, "--engine", simulator.url, "--until-idle", "--in-flight", "16"];
}, 120_000);
afterEach(() => redis?.close());

const onLinux = process.platform === "linux" ? test : test.skip;
if (onLinux === test.skip) console.warn("!!! NOT RUN: MISCONF: a folder that nobody may write in is Linux's /proc");

onLinux(
  "MISCONF: rows in flight are committed, nothing new is taken, a start ends with a code; all goes on when it can save",
  async () => {
    const running = await startWork();
    const mend = await redis.stopSaving();
    // what was taken is done
    await until(() => simulator.stats.running + simulator.stats.waiting === 0);
    expect(await shards()).toBeLessThan(chunks);
    expect(running.child.exitCode).toBeNull();
    expect((await expectExit(6, worker)).stderr).toMatch(/^E_REDIS_UNAVAILABLE .*\n.*\n.*MISCONF/);
    // staged in the store, which is enough: a worker finds it there
    const other = await writeInput("other", 20);
    await expectExit(6, ["submit", other, ...at, "--model", "simulator", "--principle", "correctness"]);
    await mend();
    await endWell(running);
  },
  180_000,
);

test("LOADING: a worker that runs waits, a start waits for the end of it, and all goes on", async () => {
  const running = await startWork();
  const loaded = await redis.restartLoading(6_000);
  expect(await redis.admin((admin) => admin.ping()).catch((error: Error) => error.message)).toMatch(/^LOADING/);
  const late = startAssay(worker);
  await loaded();
  await endWell(running, late);
}, 180_000);

const chunks = Math.ceil(rows / 16);

async function startWork(): Promise<Running> {
  const submitted = [
    "submit",
    await writeInput("rows", rows),
    ...at,
    "--model",
    "simulator",
    "--principle",
    "correctness",
  ];
  await expectExit(0, submitted);
  const running = startAssay(worker);
  await until(async () => (await shards()) >= 5);
  return running;
}

async function endWell(...workers: readonly Running[]): Promise<void> {
  for (const one of workers) {
    const { code, stderr } = await one.ended;
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  }
  const verified = await expectExit(0, ["verify", "rows", "--deep", "--root", root]);
  expect(verified.stdout).toContain(`${rows} ok`);
}

async function writeInput(name: string, count: number): Promise<string> {
  const path = join(folder, `${name}.jsonl`);
  await writeQuestions(path, count);
  return path;
}

async function shards(): Promise<number> {
  const names = await readdir(root, { recursive: true });
  return names.filter((name) => name.startsWith("rows-") && name.endsWith(".parquet")).length;
}
