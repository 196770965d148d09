import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { resumedTable } from "./resumed-table.ts";
import { tempFolder } from "./temp-folder.ts";

/** A leaderboard from the published file, or from pairs like it. RM-Bench, ten times as large: test/leaderboards. */

const published = fileURLToPath(new URL("../../../shared/data/judgebench/gpt-4o-2024-05-13.jsonl", import.meta.url));

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

test("JudgeBench's table of 700 calls is the same whether the batch ran through or was killed in the middle and run again", async () => {
  const table = await resumedTable("judgebench", await pairs(await tempFolder()), { rows: 700, killedAfter: 20 });
  expect(table).toContain('"pairs":350');
}, 240_000);
