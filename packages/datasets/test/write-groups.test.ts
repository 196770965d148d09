import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ResultRow } from "@assay/core";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { createGroupStatistics, type GroupRow } from "../src/group-table.ts";
import { writeGroups } from "../src/write-groups.ts";
import { duckdb } from "./duckdb.ts";
import { bareRow, okRow } from "./result-rows.ts";

const seed = 20_261_125;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-groups-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function described(rows: readonly ResultRow[]): (GroupRow | null)[] {
  const statistics = createGroupStatistics();
  for (const row of rows) statistics.add(row);
  return rows.map((row) => statistics.describe(row));
}

test("a group's figures are those of its rewards alone: missing ones count as rows and as nothing else", () => {
  const [first, second, third] = described([
    okRow(0, { reward: 1 }),
    okRow(2, { reward: 4 }),
    okRow(4, { reward: null, status: "truncated" }),
  ]);
  expect(first).toMatchObject({ group_rows: 3, group_ok: 2, group_mean: 2.5, group_std: Math.sqrt(4.5), reward: 1 });
  expect(second).toMatchObject({ group_mean: 2.5 });
  expect(third).toMatchObject({ reward: null, status: "truncated", group_mean: 2.5 });
});

test("one reward has no deviation, none has no mean, a bad record has no line", () => {
  expect(described([okRow(0, { reward: 3 })])[0]).toMatchObject({ group_mean: 3, group_std: null });
  expect(described([okRow(0, { reward: null, status: "looped" })])[0]).toMatchObject({
    group_ok: 0,
    group_mean: null,
    group_std: null,
  });
  expect(described([bareRow(0)])).toEqual([null]);
});

test("DuckDB computes the same mean and deviation from the rewards, from each of the three formats", async () => {
  const rows = fc
    .sample(fc.array(fc.option(fc.double({ min: -50, max: 50, noNaN: true })), { minLength: 1, maxLength: 9 }), {
      seed,
      numRuns: 40,
    })
    .flatMap((rewards, g) =>
      rewards.map((reward) => ({ group: `group "${g}", α`, reward, status: reward === null ? "truncated" : "ok" })),
    )
    .map((row, i) => okRow(i, { ...row, principle: i % 2 === 0 ? "a" : "b" } as Partial<ResultRow>));
  const table = described(rows).filter((row) => row !== null);
  for (const format of ["parquet", "csv", "jsonl"] as const) {
    const parts: Uint8Array[] = [];
    const count = await writeGroups(
      format,
      (async function* () {
        for (let from = 0; from < table.length; from += 7) yield table.slice(from, from + 7);
      })(),
      { write: async (bytes) => void parts.push(bytes) },
    );
    expect(count).toBe(table.length);
    const path = join(folder, `groups.${format}`);
    await writeFile(path, Buffer.concat(parts));
    const from =
      format === "parquet"
        ? `read_parquet('${path}')`
        : format === "csv"
          ? `read_csv('${path}')`
          : `read_json('${path}')`;
    const wrong = await duckdb(`
      WITH t AS (SELECT * FROM ${from}), g AS (
        SELECT "group", principle, count(*) AS n, count(reward) AS ok, avg(reward) AS mean, stddev_samp(reward) AS std
        FROM t GROUP BY ALL)
      SELECT t.row_index FROM t JOIN g USING ("group", principle)
      WHERE t.group_rows <> n OR t.group_ok <> ok
        OR abs(coalesce(t.group_mean, 1e9) - coalesce(mean, 1e9)) > 1e-9
        OR abs(coalesce(t.group_std, 1e9) - coalesce(std, 1e9)) > 1e-9`);
    expect({ format, wrong }).toEqual({ format, wrong: [] });
    expect(await duckdb(`SELECT count(*) AS rows, count(reward) AS ok FROM ${from}`)).toEqual([
      { rows: rows.length, ok: rows.filter(({ reward }) => reward !== null).length },
    ]);
  }
});
