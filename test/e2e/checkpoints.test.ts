import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { ResultRow } from "@assay/core";
import { decodeShard } from "@assay/datasets";
import { type Simulator, startSimulator } from "@assay/simulator";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { expectExit, startAssay, until } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/** A real process is killed in the middle of one chunk; what it had finished is in the store and is not paid again. */

const rows = 160;
let simulator: Simulator;

beforeAll(async () => {
  // 16 rows at once, about 60 a second: a chunk of some seconds
  simulator = await startSimulator({ slots: 16, tokensPerSecond: 400, reasoningTokens: 100 });
});
afterAll(async () => {
  await simulator?.close();
});

test("SIGKILL in the middle of a chunk: the next run asks only the rows that no checkpoint holds", async () => {
  const folder = await tempFolder();
  const root = join(folder, "root");
  const input = join(folder, "one.jsonl");
  // one line with many principles is one chunk
  const principles = Array.from({ length: rows }, (_, i) => `principle ${i}`);
  await writeFile(input, `${JSON.stringify({ prompt: "What is 1+1?", response: "2", principles })}\n`);
  const score = ["score", input, "--root", root, "--engine", simulator.url, "--in-flight", "16"];

  const first = startAssay(score);
  let batch = "";
  const partial = async (): Promise<string[]> => {
    batch = (await readdir(root).catch(() => [])).find((name) => name.startsWith("one-")) ?? "";
    const names = await readdir(join(root, batch, "partial", "000000")).catch(() => []);
    return names.filter((name) => name.endsWith(".gz")).map((name) => join(root, batch, "partial", "000000", name));
  };
  await until(async () => (await partial()).length > 0);
  first.child.kill("SIGKILL");
  await first.ended;
  expect(await readdir(join(root, batch, "rewards")).catch(() => [])).toEqual([]);
  const saved = (await Promise.all((await partial()).map(readRows))).flat();
  expect(saved.length).toBeGreaterThanOrEqual(64);

  const before = simulator.stats.requests;
  await expectExit(0, score);
  // two requests a row, and the few dozen of the probe
  expect(simulator.stats.requests - before).toBeLessThan(2 * (rows - saved.length) + 40);

  await expectExit(0, ["verify", batch, "--root", root]);
  const { rows: results } = await decodeShard(await readFile(join(root, batch, "rewards", "000000.parquet")));
  expect(results.map(({ row_index }) => row_index)).toEqual([...Array(rows).keys()]);
  for (const row of saved) expect(results[row.row_index]).toEqual(row);
}, 120_000);

async function readRows(path: string): Promise<ResultRow[]> {
  const lines = gunzipSync(await readFile(path))
    .toString()
    .trimEnd()
    .split("\n");
  return lines.slice(1).map((line) => JSON.parse(line) as ResultRow);
}
