import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeShard } from "@assay/datasets";
import { loadBatch, readShards } from "@assay/scoring";
import { localStore } from "@assay/store/local";
import { describe, expect, test } from "@jest/globals";
import { expectExit } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/** Real prompts and responses of two benchmarks, scored by the simulator: that they go through, not how they are judged. */

const data = fileURLToPath(new URL("../../../shared/data/", import.meta.url));
const judgeBench = join(data, "judgebench/gpt-4o-2024-05-13.jsonl");
const rmBench = join(data, "rm-bench/chat_filtered.json");
const there = existsSync(judgeBench) && existsSync(rmBench);
if (!there) console.warn("!!! NOT RUN: JudgeBench and RM-Bench are not beside this repository (shared/data)");

/** Scores records and returns the results in row order, once with the batch's own verify behind them. */
async function score(name: string, records: readonly object[]) {
  const folder = await tempFolder();
  const root = join(folder, "root");
  const input = join(folder, `${name}.jsonl`);
  await writeFile(input, records.map((record) => JSON.stringify(record)).join("\n"));
  const { stdout } = await expectExit(0, [
    "score",
    input,
    "--root",
    root,
    "--engine",
    "sim",
    "--in-flight",
    "64",
    "--json",
  ]);
  const last = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { batch: string; rows: number; ok: number };
  await expectExit(0, ["verify", last.batch, "--root", root]);
  const store = localStore(root);
  const rows = [];
  for await (const shard of readShards({ store, decodeShard }, await loadBatch(store, last.batch)))
    rows.push(...shard.rows);
  return { last, rows };
}

(there ? describe : describe.skip)("real rows", () => {
  test("all 700 (question, response) pairs of the JudgeBench GPT file", async () => {
    const pairs = readFileSync(judgeBench, "utf8")
      .trim()
      .split("\n")
      .map(
        (line) =>
          JSON.parse(line) as {
            pair_id: string;
            question: string;
            response_A: string;
            response_B: string;
            original_id: unknown;
          },
      );
    const { last, rows } = await score(
      "judgebench",
      pairs.map(({ pair_id, question, response_A, response_B, original_id }) => ({
        id: pair_id,
        prompt: question,
        responses: [response_A, response_B],
        principle: "correctness",
        // a string, an integer or null, as the data set has it
        original_id,
      })),
    );
    expect(last).toMatchObject({ rows: 700, ok: 700 });
    expect(rows.map(({ id }) => id)).toEqual(pairs.flatMap(({ pair_id }) => [pair_id, pair_id]));
    expect(rows.map(({ response_index }) => response_index)).toEqual(pairs.flatMap(() => [0, 1]));
    expect(rows.map(({ carried }) => (JSON.parse(carried ?? "null") as { original_id: unknown }).original_id)).toEqual(
      pairs.flatMap(({ original_id }) => [original_id, original_id]),
    );
    expect(rows.every(({ status, reward }) => status === "ok" && Number.isFinite(reward))).toBe(true);
  }, 120_000);

  test("RM-Bench chat with its repeated rows: each is scored where it stands", async () => {
    const groups = JSON.parse(readFileSync(rmBench, "utf8")) as {
      id: number;
      prompt: string;
      chosen: string[];
      rejected: string[];
    }[];
    const records = groups.map(({ id, prompt, chosen, rejected }) => ({
      id,
      prompt,
      responses: [...chosen, ...rejected],
      principle: "helpfulness",
    }));
    const texts = records.flatMap(({ prompt, responses }) =>
      responses.map((response) => JSON.stringify([prompt, response])),
    );
    // the data has repeated rows: a set would lose them
    expect(new Set(texts).size).toBeLessThan(texts.length);
    const { last, rows } = await score("rm-bench", records);
    expect(last.rows).toBe(texts.length);
    expect(rows.map(({ row_index }) => row_index)).toEqual(texts.map((_, i) => i));
    expect(rows.map(({ id }) => id)).toEqual(records.flatMap(({ id, responses }) => responses.map(() => String(id))));
    // equal questions have equal keys, which is how --reuse will know them
    const keyOf = new Map<string, string>();
    for (const [i, row] of rows.entries()) {
      const text = texts[i] ?? "";
      expect(row.row_key).toBe(keyOf.get(text) ?? row.row_key);
      keyOf.set(text, row.row_key ?? "");
    }
  }, 240_000);
});
