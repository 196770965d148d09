import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeShard } from "@assay/datasets";
import { type Simulator, startSimulator } from "@assay/simulator";
import { localStore } from "@assay/store/local";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { expectExit, runAssay, startAssay } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/**
 * `score` is killed before and after every step that others can see, and the same command again ends the batch. A
 * point that is not reached would end the first run well, which fails its test.
 */

/** One record of 90 rows is a chunk of its own, long enough for a checkpoint; 16 rows stand behind it. */
const rows = 106;
let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator({ slots: 64, tokensPerSecond: 400, reasoningTokens: 40 });
});
afterAll(() => simulator?.close());

/** The tests' names: what the fault matrix calls them, and the points that stand for each. */
const faults: readonly (readonly [string, readonly string[]])[] = [
  ["while staging", ["after-put-root", "after-put-rows:2", "after-put-batch", "after-put-open"]],
  ["W1 a lease was taken", ["lease-taken"]],
  ["W2 the input was read", ["rows-read:2", "after-put-pin", "after-put-start"]],
  ["W3 the first request was sent", ["request-sent"]],
  ["W4 some rows are done", ["row-answered:50", "before-put-checkpoint", "after-put-checkpoint"]],
  ["W5 all rows are done", ["before-put-shard"]],
  ["W6 W7 the shard is put, nobody was told", ["after-put-shard", "before-acknowledge"]],
  ["W8 the job is acknowledged", ["after-acknowledge"]],
  ["while it ends the batch", ["after-put-control", "after-put-summary", "after-put-success", "after-put-done"]],
];

test.each(faults)(
  "killed: %s; the same command again, every row exactly once",
  async (_name, points) => {
    await Promise.all(points.map(killAndRepeat));
  },
  240_000,
);

test("a point that does not exist is refused with the list of those that do", async () => {
  const folder = await tempFolder();
  const ended = await runAssay(["ls", "--root", folder], { env: { ASSAY_CRASH_AT: "after-lunch" } });
  expect(ended.code).toBe(2);
  const named = /expected +(.*);/.exec(ended.stderr)?.[1]?.split(", ") ?? [];
  const tried = faults.flatMap(([, points]) => points.map((point) => point.replace(/:.*/, "")));
  // who is killed behind a put has passed the point before it
  const passed = tried.map((point) => point.replace(/^after-put-/, "before-put-"));
  expect([...named].sort()).toEqual([...new Set([...tried, ...passed])].sort());
});

async function killAndRepeat(point: string): Promise<void> {
  const folder = await tempFolder();
  const root = join(folder, "root");
  const input = join(folder, "in.jsonl");
  const principles = Array.from({ length: 90 }, (_, i) => `principle ${i}`);
  const small = Array.from({ length: 16 }, (_, i) => ({ id: `s${i}`, prompt: `What is ${i}+1?`, response: "2" }));
  const long = { id: "long", prompt: "What is 1+1?", response: "2", principles };
  const lines = [long, ...small.map((record) => ({ ...record, principle: "correctness" }))];
  await writeFile(input, lines.map((line) => JSON.stringify(line)).join("\n"));
  const score = ["score", input, "--root", root, "--engine", simulator.url, "--in-flight", "64"];

  const first = startAssay(score, { env: { ASSAY_CRASH_AT: point } });
  const signal = await new Promise((resolve) => first.child.once("exit", (_code, by) => resolve(by)));
  const { stderr } = await first.ended;
  expect({ point, signal, stderr: signal === "SIGKILL" ? "" : stderr }).toEqual({
    point,
    signal: "SIGKILL",
    stderr: "",
  });

  await expectExit(0, score);
  const [batch = ""] = (await readdir(root)).filter((name) => name.startsWith("in-"));
  await expectExit(0, ["verify", batch, "--root", root, "--deep"]);
  const store = localStore(root);
  const seen: number[] = [];
  for await (const { key } of store.list(`${batch}/rewards/`)) {
    const shard = await decodeShard((await store.get(key)) ?? new Uint8Array());
    for (const { row_index, status, reward } of shard.rows) {
      seen.push(row_index);
      expect({ row_index, status, reward }).toEqual({ row_index, status: "ok", reward: expect.any(Number) });
    }
  }
  expect({ point, seen }).toEqual({ point, seen: Array.from({ length: rows }, (_, i) => i) });
}
