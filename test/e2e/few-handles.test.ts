import { execFileSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type FoundRedis, testRedis } from "@assay/queue/private-redis";
import { type Simulator, startSimulator } from "@assay/simulator";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { redisUrl } from "./redis-url.ts";
import { expectExit, startAssay, until } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";
import { writeQuestions } from "./write-questions.ts";

/** A worker whose system gives it no further file handle, neither for a file nor for a connection. */

let simulator: Simulator;
let redis: FoundRedis;
beforeAll(async () => {
  // 16 rows at once, about 100 a second
  simulator = await startSimulator({ slots: 16, tokensPerSecond: 600, reasoningTokens: 100 });
  redis = await testRedis(process.env);
}, 120_000);
afterAll(async () => {
  await redis?.close();
  await simulator?.close();
});

const onLinux = process.platform === "linux" ? test : test.skip;
if (onLinux === test.skip) console.warn("!!! NOT RUN: a worker without file handles, which Linux's prlimit takes away");

onLinux(
  "EMFILE in a running worker: it says so and waits, no row is charged, and it goes on when there are handles",
  async () => {
    const folder = await tempFolder();
    const root = join(folder, "root");
    const rows = 600;
    const input = join(folder, "rows.jsonl");
    await writeQuestions(input, rows);
    const at = ["--root", root, "--redis", redisUrl(redis)];
    await expectExit(0, ["submit", input, ...at, "--model", "simulator", "--principle", "correctness"]);
    const worker = startAssay(["worker", ...at, "--engine", simulator.url, "--until-idle", "--in-flight", "16"]);
    let said = "";
    worker.child.stderr?.on("data", (text: string) => {
      said += text;
    });
    const pid = worker.child.pid ?? 0;
    const shards = async (): Promise<number> =>
      (await readdir(root, { recursive: true })).filter((name) => name.endsWith(".parquet")).length;
    await until(async () => (await shards()) >= 3);
    const [, soft = ""] = /^Max open files +(\d+)/m.exec(await readFile(`/proc/${pid}/limits`, "utf8")) ?? [];
    limitHandles(pid, "10");
    await until(() => said.includes("EMFILE"));
    const before = await shards();
    expect(before).toBeLessThan(rows / 16);
    limitHandles(pid, soft);
    const { code, stderr } = await worker.ended;
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    const verified = await expectExit(0, ["verify", "latest", "--deep", "--root", root]);
    expect(verified.stdout).toContain(`${rows} ok`);
  },
  120_000,
);

/** The soft limit alone: it may be raised again. */
function limitHandles(pid: number, soft: string): void {
  execFileSync("prlimit", ["--pid", String(pid), `--nofile=${soft}:`]);
}
