import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { expectExit, startAssay } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/** A leaderboard from the published file, or from pairs like it: killed once in the middle, and the table is the same. */

const published = fileURLToPath(new URL("../../../shared/data/judgebench/gpt-4o-2024-05-13.jsonl", import.meta.url));
const recipe = fileURLToPath(new URL("../../examples/recipes/judgebench.json", import.meta.url));

async function pairs(folder: string): Promise<string> {
  if (existsSync(published)) return published;
  console.warn("!!! JudgeBench is not beside this repository (shared/data): pairs like it are scored instead");
  const sources = ["mmlu-pro-law", "livebench-reasoning", "livebench-math", "livecodebench"];
  const lines = Array.from({ length: 350 }, (_, i) => ({
    pair_id: `pair-${i}`,
    original_id: i,
    source: sources[i % sources.length],
    question: `What is ${i}+2?`,
    response_model: "none",
    response_A: `It is ${i + 2}.`,
    response_B: `It is ${i + 3}.`,
    label: i % 3 === 0 ? "B>A" : "A>B",
  }));
  const path = join(folder, "pairs.jsonl");
  await writeFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return path;
}

test("JudgeBench's table is the same whether the batch ran through or was killed in the middle and run again", async () => {
  const folder = await tempFolder();
  const input = await pairs(folder);
  const table = async (root: string): Promise<string> =>
    (await expectExit(0, ["eval", "judgebench", "latest", "--root", root, "--json"])).stdout;
  const score = (root: string): string[] => [
    ...["score", input, "--root", root, "--engine", "sim", "--recipe", recipe, "--set", "temperature=0"],
    ...["--in-flight", "32", "--json"],
  ];
  const through = join(folder, "through");
  await expectExit(0, score(through));
  const resumed = join(folder, "resumed");
  const first = startAssay(score(resumed));
  let seen = "";
  // some chunks have their shard, most have not
  await new Promise<void>((resolve) => {
    first.child.stdout?.on("data", (text: string) => {
      seen += text;
      if (seen.split('"outcome":"committed"').length > 5) resolve();
    });
    void first.ended.then(() => resolve());
  });
  first.child.kill("SIGKILL");
  expect((await first.ended).code).toBeNull();
  await expectExit(75, ["verify", "latest", "--root", resumed]);
  await expectExit(0, score(resumed));
  await expectExit(0, ["verify", "latest", "--root", resumed]);
  const whole = await table(through);
  expect(await table(resumed)).toBe(whole);
  expect(JSON.stringify(JSON.parse(whole))).toContain("350");
}, 240_000);
