import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { chooseFormat } from "../src/choose-format.ts";
import { inputOf } from "./input-of.ts";
import { linesOf } from "./read-fixture.ts";

/** The importers on the files as they are published; what they hold was counted elsewhere. */

const data = fileURLToPath(new URL("../../../../shared/data/", import.meta.url));
const there = existsSync(data);
if (!there) console.warn("!!! NOT RUN: JudgeBench and RM-Bench are not beside this repository (shared/data)");

/** Reads a file by what it is found to be, and counts. */
async function readReal(path: string, format: string) {
  const input = path.split("/").at(-1) ?? "";
  const source = inputOf(readFileSync(join(data, path)), 65_536);
  const importer = await chooseFormat([{ input, where: path, ...source }]);
  expect(importer.name).toBe(format);
  const { lines, groups } = await linesOf(importer, input, source);
  expect(lines.filter((line) => !line.includes(" => "))).toEqual([]);
  const carried = lines.map((line) => JSON.parse(line.slice(line.lastIndexOf(" | correctness | ") + 17)) as Carried);
  const ids = lines.map((line) => line.slice(0, line.indexOf(" | ")));
  return { lines, carried, ids, groups };
}

interface Carried {
  readonly [column: string]: string | number | boolean | null;
}

function times<T>(values: readonly T[]): Map<T, number> {
  const counted = new Map<T, number>();
  for (const value of values) counted.set(value, (counted.get(value) ?? 0) + 1);
  return counted;
}

(there ? describe : describe.skip)("published files", () => {
  test.each([
    ["judgebench/gpt-4o-2024-05-13.jsonl", 350, [154, 98, 56, 42], 193],
    ["judgebench/claude-3-5-sonnet-20240620.jsonl", 270, [154, 51, 34, 31], 143],
    ["judgebench/official-scores.Skywork_Skywork-Reward-Gemma-2-27B.jsonl", 350, [154, 98, 56, 42], 193],
  ])("%s: %i pairs", async (path, pairs, categories, aIsRight) => {
    const { carried, ids } = await readReal(path, "judgebench");
    expect(carried).toHaveLength(2 * pairs);
    expect([...times(ids).values()]).toEqual(Array(pairs).fill(2));
    const sides = carried.map(({ side }) => side);
    expect(sides).toEqual(sides.map((_, i) => (i % 2 === 0 ? "A" : "B")));
    const sources = ["mmlu-pro", "livebench-reasoning", "livebench-math", "livecodebench"];
    const counts = sources.map((name) => carried.filter(({ source }) => String(source).startsWith(name)).length / 2);
    expect(counts).toEqual(categories);
    expect(carried.filter(({ label }) => label === "A>B")).toHaveLength(2 * aIsRight);
    // a number of the mmlu rows, nothing in the others
    expect(carried.filter(({ original_id }) => original_id !== null)).toHaveLength(2 * 154);
  });

  test.each([
    ["rm-bench/chat_filtered.json", "chat", 129, 762],
    ["rm-bench/code_filtered.json", "code", 228, 1_349],
    ["rm-bench/safety-response_filtered.json", "safety-response", 157, 918],
  ])("%s: six responses of each record, %s", async (path, domain, records, unique) => {
    const { lines, carried, ids, groups } = await readReal(path, "rm-bench");
    expect(lines).toHaveLength(6 * records);
    expect(new Set(ids).size).toBe(records);
    expect(ids.every((id) => id.startsWith(`${domain}:`))).toBe(true);
    expect(carried.every((each) => each.domain === domain)).toBe(true);
    const kinds = carried.map(({ chosen, style }) => `${chosen} ${style}`);
    expect([...times(kinds).values()]).toEqual(Array(6).fill(records));
    // the same prompt and response twice are the same question
    const asked = lines.map(
      (line, i) => `${groups[i]} ${line.slice(line.indexOf(" => "), line.lastIndexOf(" | correctness"))}`,
    );
    expect(new Set(asked).size).toBe(unique);
  });
});
