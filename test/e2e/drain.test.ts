import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type FoundRedis, testRedis } from "@assay/queue/private-redis";
import { type Simulator, startSimulator } from "@assay/simulator";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { redisUrl } from "./redis-url.ts";
import { expectExit, startAssay, until } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/** Real processes and real signals: what a signal means for workers, score and submit. */

let simulator: Simulator;
let redis: FoundRedis;

beforeAll(async () => {
  // 16 rows at once, about 60 a second
  simulator = await startSimulator({ slots: 16, tokensPerSecond: 400, reasoningTokens: 100 });
  redis = await testRedis(process.env);
}, 120_000);
afterEach(() => simulator.setFaults({}));
afterAll(async () => {
  await redis?.close();
  await simulator?.close();
});

/** A batch of one chunk, of a name of its own. */
async function chunkOf(rows: number) {
  const folder = await tempFolder();
  const root = join(folder, "root");
  const input = join(folder, "one.jsonl");
  const principles = Array.from({ length: rows }, (_, i) => `principle ${i}`);
  await writeFile(input, `${JSON.stringify({ prompt: `What is ${folder}?`, response: "2", principles })}\n`);
  const batch = async (): Promise<string> =>
    (await readdir(root).catch(() => [])).find((name) => name.startsWith("one-")) ?? "";
  const savedRows = async (): Promise<number> => {
    const partial = join(root, await batch(), "partial", "000000");
    const names = (await readdir(partial).catch(() => [])).filter((name) => name.endsWith(".gz"));
    const texts = await Promise.all(
      names.map(async (name) => gunzipSync(await readFile(join(partial, name))).toString()),
    );
    return texts.reduce((sum, text) => sum + text.trimEnd().split("\n").length - 1, 0);
  };
  return { folder, root, input, batch, savedRows };
}

describe("a worker", () => {
  test.each(["SIGTERM", "SIGUSR1"] as const)(
    "%s: nothing new is sent, finished rows are saved, the chunk goes back at once, exit 75",
    async (signal) => {
      const { root, input, batch, savedRows } = await chunkOf(120);
      const at = ["--root", root, "--redis", redisUrl(redis)];
      await expectExit(0, ["submit", input, ...at, "--model", "simulator"]);
      const work = ["worker", ...at, "--engine", simulator.url, "--until-idle", "--in-flight", "16"];
      const first = startAssay(work);
      const before = simulator.stats.requests;
      await until(() => simulator.stats.requests - before >= 60);
      first.child.kill(signal);
      const ended = await first.ended;
      expect(ended.code).toBe(75);
      expect(ended.stderr).toMatch(/draining: nothing new is begun, rows in flight have 20 s/);
      expect(ended.stderr).not.toMatch(/Debugger/);
      const saved = await savedRows();
      expect(saved).toBeGreaterThan(10);
      expect(saved).toBeLessThan(120);
      // a lease that had to lapse would hold it up for a minute
      const again = simulator.stats.requests;
      await expectExit(0, work);
      expect(simulator.stats.requests - again).toBeLessThan(2 * (120 - saved) + 40);
      await expectExit(0, ["verify", await batch(), "--root", root]);
    },
    60_000,
  );

  test("a cloud's notice that it takes the spot machine away is a first signal", async () => {
    // 15 s of work for a notice that is looked for every 5 s
    const { root, input, batch, savedRows } = await chunkOf(1_000);
    const at = ["--root", root, "--redis", redisUrl(redis)];
    await expectExit(0, ["submit", input, ...at, "--model", "simulator"]);
    const before = simulator.stats.requests;
    // plays the service; one that says so from the start would leave nothing to be saved
    const metadata = createServer((_, response) =>
      response.end(simulator.stats.requests - before >= 60 ? "TRUE" : "FALSE"),
    ).listen(0, "127.0.0.1");
    try {
      await once(metadata, "listening");
      const env = { GCE_METADATA_HOST: `127.0.0.1:${(metadata.address() as AddressInfo).port}` };
      const work = ["worker", ...at, "--engine", simulator.url, "--until-idle", "--in-flight", "16", "--spot", "gcp"];
      const ended = await startAssay(work, { env }).ended;
      expect(ended.code).toBe(75);
      expect(ended.stderr).toMatch(
        /this spot machine is taken away \(Google Cloud: preempted\)\n.*draining: nothing new/,
      );
    } finally {
      metadata.closeAllConnections();
      metadata.close();
    }
    expect(await savedRows()).toBeGreaterThan(10);
    await expectExit(75, ["verify", await batch(), "--root", root]);
  }, 60_000);

  test("rows that take longer than the deadline are stopped; a second signal does not wait for it", async () => {
    const { root, input } = await chunkOf(400);
    const at = ["--root", root, "--redis", redisUrl(redis)];
    await expectExit(0, ["submit", input, ...at, "--model", "simulator"]);
    const work = ["worker", ...at, "--engine", simulator.url, "--in-flight", "16", "--drain-seconds"];
    for (const [seconds, signals] of [
      ["1", 1],
      ["3600", 2],
    ] as const) {
      simulator.setFaults({});
      const worker = startAssay([...work, seconds]);
      const before = simulator.stats.requests;
      // the probe has to be through before the engine hangs
      await until(() => simulator.stats.requests - before >= 60);
      simulator.setFaults({ hang: true });
      for (let sent = 0; sent < signals; sent += 1) {
        worker.child.kill("SIGTERM");
        // two within half a second are one wish
        await new Promise((resolve) => setTimeout(resolve, 700));
      }
      expect(await worker.ended).toMatchObject({ code: 75 });
    }
  }, 60_000);
});

describe("score", () => {
  test("a closed terminal does not stop it", async () => {
    const { root, input } = await chunkOf(100);
    const score = startAssay(["score", input, "--root", root, "--engine", simulator.url, "--in-flight", "16"]);
    const before = simulator.stats.requests;
    await until(() => simulator.stats.requests - before >= 60);
    score.child.kill("SIGHUP");
    expect(await score.ended).toMatchObject({ code: 0 });
  }, 60_000);

  test("--detach: this process ends, another goes on, its output in a file", async () => {
    const { folder, root, input } = await chunkOf(100);
    const score = ["score", input, "--root", root, "--engine", simulator.url, "--in-flight", "16", "--detach"];
    const env = { XDG_STATE_HOME: join(folder, "state") };
    const { stderr, stdout } = await expectExit(0, score, { env });
    expect(stdout).toBe("");
    expect(stderr).toMatch(/100 rows in 1 chunk/);
    const [, path = ""] = /goes on without this terminal, output in (\S+)/.exec(stderr) ?? [];
    await until(async () => (await readFile(path, "utf8")).includes("100 ok"));
    await expectExit(0, ["verify", "latest", "--root", root]);
  }, 60_000);

  test("--detach tells what went wrong at the start, with its exit code", async () => {
    const { folder, root } = await chunkOf(1);
    const env = { XDG_STATE_HOME: join(folder, "state") };
    const args = ["score", join(folder, "none.jsonl"), "--root", root, "--engine", simulator.url, "--detach"];
    const { stderr } = await expectExit(4, args, { env });
    expect(stderr).toMatch(/^E_INPUT_MISSING/);
    expect(stderr).not.toMatch(/goes on/);
  }, 60_000);

  test("--detach without a place for its output says which variable names another", async () => {
    const folder = await tempFolder();
    const file = join(folder, "a file");
    await writeFile(file, "");
    const env = { XDG_STATE_HOME: file };
    const args = ["score", join(folder, "rows.jsonl"), "--root", join(folder, "root"), "--engine", "sim", "--detach"];
    const { stderr } = await expectExit(2, args, { env });
    expect(stderr).toMatch(/^E_USAGE.*got +ENOTDIR\n +next +XDG_STATE_HOME/s);
  }, 60_000);
});

test("submit, stopped in the middle of staging: exit 75, no batch yet, and the same command carries on", async () => {
  const folder = await tempFolder();
  const root = join(folder, "root");
  const input = join(folder, "many.jsonl");
  const line = (i: number): string => JSON.stringify({ prompt: `What is ${i}?`, response: "2".repeat(2_000) });
  await writeFile(input, Array.from({ length: 30_000 }, (_, i) => line(i)).join("\n"));
  const args = ["submit", input, "--root", root, "--model", "simulator", "--principle", "correctness"];
  const submit = startAssay(args);
  const folders = async (): Promise<string[]> =>
    (await readdir(root).catch(() => [])).filter((name) => name.startsWith("many-"));
  await until(async () => (await folders()).length > 0);
  submit.child.kill("SIGTERM");
  expect(await submit.ended).toMatchObject({ code: 75, stdout: "" });
  const [batch = ""] = await folders();
  expect(await readdir(join(root, batch))).toEqual(["rows"]);
  expect((await expectExit(0, args)).stdout).toBe(`${batch}\n`);
}, 120_000);
