import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { missingPolicies } from "@assay/core";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { dataSetCard } from "../src/data-set-card.ts";
import type { ExportRow } from "../src/export-row.ts";
import { writeDataSet } from "../src/write-data-set.ts";
import { duckdb } from "./duckdb.ts";
import { bareRow, okRow, userColumns } from "./result-rows.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-data-set-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const scored = (rows: number): ExportRow[] =>
  Array.from({ length: rows }, (_, i) => ({
    row: i % 4 === 3 ? bareRow(i) : okRow(i),
    prompt: `question ${i}`,
    response: `answer ${i}`,
  }));

async function* pieces(rows: readonly ExportRow[]): AsyncGenerator<readonly ExportRow[]> {
  for (let from = 0; from < rows.length; from += 256) yield rows.slice(from, from + 256);
}

async function written(name: string, rows: readonly ExportRow[], options: { text: boolean; fileBytes?: number }) {
  await mkdir(join(folder, name, "data"), { recursive: true });
  const ended: string[] = [];
  const files = await writeDataSet({ ...options, columns: userColumns }, pieces(rows), async (path, work) => {
    const parts: Uint8Array[] = [];
    const made = await work({ write: async (bytes) => void parts.push(bytes) });
    ended.push(path);
    await writeFile(join(folder, name, path), Buffer.concat(parts));
    return made;
  });
  expect(ended).toEqual(files.map(({ path }) => path));
  return files;
}

test.each([
  ["scores", 25_000, false, 100_000, 3],
  ["texts", 3_500, true, 20_000, 4],
  ["none", 0, false, 100_000, 1],
])(
  "a folder of %s holds every row once, in order, over its files",
  async (name, count, text, fileBytes, parts) => {
    const rows = scored(count);
    const files = await written(name, rows, { text, fileBytes });
    expect(files.map(({ path }) => path)).toEqual(
      files.map((_, i) => `data/train-${String(i).padStart(5, "0")}.parquet`),
    );
    expect(files.reduce((sum, file) => sum + file.rows, 0)).toBe(count);
    expect(files.length).toBe(parts);
    const read = await duckdb(
      `SELECT row_index, reward${text ? ", prompt, response" : ""} FROM read_parquet('${folder}/${name}/data/train-*.parquet', filename = true) ORDER BY filename, file_row_number`,
    );
    expect(read).toEqual(
      rows.map(({ row, prompt, response }) => ({
        row_index: row.row_index,
        reward: row.reward,
        ...(text ? { prompt, response } : {}),
      })),
    );
  },
  60_000,
);

const facts = {
  batches: ["demo-0123456789abcdef"],
  profile: "genrm-principle",
  model: "a|model`\nname",
  revision: null,
  simulated: false,
  records: 3,
  rows: 4,
  status: { ok: 3, truncated: 1 },
  missing: "null" as const,
  rewardMean: -0.5,
  yesShare: 0.25,
  text: true,
  columns: userColumns,
  software: "0.1.0",
};

test("the card names the files for the hub, counts what has no reward, and no name breaks its table", () => {
  const card = dataSetCard(facts);
  expect(card.split("\n").slice(0, 6)).toEqual([
    "---",
    "configs:",
    "- config_name: default",
    "  data_files:",
    "  - split: train",
    "    path: data/train-*.parquet",
  ]);
  expect(card).toContain("| without a reward | 1 (25.00 %) |");
  expect(card).toContain("| truncated | 1 |");
  expect(card).toContain("| model | `a model  name` |");
  expect(card).toContain("`in_gold` (boolean)");
  expect(card).not.toContain("simulated");
});

test("the card says of rows without a verdict what stands in the files beside it", () => {
  const said = (missing: (typeof missingPolicies)[number]): string => dataSetCard({ ...facts, missing });
  expect(said("null")).toContain("no number was put in its place");
  for (const missing of missingPolicies) {
    if (missing === "null") continue;
    expect(said(missing)).not.toContain("no number was put");
    expect(said(missing)).toContain(`--missing ${missing}`);
  }
});

test("rewards of a simulator are never handed on as judgements", () => {
  expect(dataSetCard({ ...facts, simulated: true })).toContain("They are no judgements.");
});
