import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ResultRow } from "@assay/core";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { encodeShard } from "../src/encode-shard.ts";
import { duckdb } from "./duckdb.ts";
import { anyRow, bareRow, metadata, okRow, userColumns } from "./result-rows.ts";

const seed = 20_261_124;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-shards-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** One shard: a file of `<test>/`, so that a test's glob sees its own shards only. */
async function shards(name: string, chunks: readonly (readonly ResultRow[])[]): Promise<string> {
  for (const [chunk, rows] of chunks.entries()) {
    await writeFile(join(folder, `${name}-00000${chunk}.parquet`), encodeShard(rows, metadata, userColumns));
  }
  return `read_parquet('${folder}/${name}-*.parquet')`;
}

/** What a second reader has to see of a row. DuckDB's binding for Node takes a byte order mark off a text; DuckDB does not. */
function seen(row: ResultRow): { [column: string]: unknown } {
  const { columns, scored_at, ...fixed } = row;
  const bound = JSON.parse(JSON.stringify({ ...fixed, ...columns }), (_name, value: unknown) =>
    typeof value === "string" ? value.replace(/^\ufeff/, "") : value,
  ) as { [column: string]: unknown };
  return { ...bound, scored_at: { micros: String(BigInt(scored_at) * 1_000n) } };
}

test("DuckDB reads the cells of several shards through one glob", async () => {
  const sample = fc.sample(anyRow, { seed, numRuns: 120 }).map((row, i) => ({ ...row, row_index: i }));
  const chunks = [sample.slice(0, 40), [], sample.slice(40, 41), sample.slice(41)];
  const from = await shards("any", chunks);
  const rows = await duckdb(`SELECT * FROM ${from} ORDER BY row_index`);
  expect(rows).toEqual(sample.map(seen));
  expect(Object.keys(rows[0] ?? {})).toEqual([...Object.keys(okRow(0)).slice(0, 37), ...Object.keys(okRow(0).columns)]);
});

test("DuckDB finds a byte order mark where a text begins with one", async () => {
  const from = await shards("mark", [[okRow(0, { answer: "\ufeffa" })]]);
  expect(await duckdb(`SELECT hex(encode(answer)) AS bytes FROM ${from}`)).toEqual([{ bytes: "EFBBBF61" }]);
});

test("a column that is null throughout one shard keeps its type, alone and beside others", async () => {
  const typesOf = async (from: string): Promise<string[]> =>
    (await duckdb(`DESCRIBE SELECT * FROM ${from}`)).map((row) => `${row.column_name} ${row.column_type}`);
  const full = await typesOf(await shards("full", [[okRow(0)]]));
  expect(await typesOf(await shards("bare", [[bareRow(0), bareRow(1)]]))).toEqual(full);
  expect(await typesOf(await shards("none", [[]]))).toEqual(full);
  expect(await typesOf(await shards("mixed", [[bareRow(0)], [okRow(1)], []]))).toEqual(full);
  expect(full).toEqual(
    expect.arrayContaining([
      "row_index BIGINT",
      "reward DOUBLE",
      "floored BOOLEAN",
      "attempts INTEGER",
      "scored_at TIMESTAMP WITH TIME ZONE",
      "samples STRUCT(status VARCHAR, reward DOUBLE, logprob_yes DOUBLE, logprob_no DOUBLE, yes_no_mass DOUBLE, answer VARCHAR, finish_reason VARCHAR, completion_tokens INTEGER, seed BIGINT)[]",
      "carried VARCHAR",
      "in_label VARCHAR",
      "in_score DOUBLE",
      "in_turn BIGINT",
      "in_gold BOOLEAN",
    ]),
  );
});

test("carried values of different types in different shards stay JSON text that DuckDB can open", async () => {
  const from = await shards("carried", [
    [okRow(0, { carried: '{"v":1}' })],
    [okRow(1, { carried: '{"v":"👩‍🚀"}' })],
    [okRow(2, { carried: '{"w":[true]}' }), okRow(3, { carried: null })],
  ]);
  expect(await duckdb(`SELECT carried->>'v' AS v, carried FROM ${from} ORDER BY row_index`)).toEqual([
    { v: "1", carried: '{"v":1}' },
    { v: "👩‍🚀", carried: '{"v":"👩‍🚀"}' },
    { v: null, carried: '{"w":[true]}' },
    { v: null, carried: null },
  ]);
});

test("scored_at is the instant in UTC, whatever the reader's zone", async () => {
  const from = await shards("time", [[okRow(0, { scored_at: Date.UTC(2026, 10, 24, 13, 37, 0, 7) })]]);
  expect(
    await duckdb(`SELECT strftime(scored_at AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f') AS at FROM ${from}`),
  ).toEqual([{ at: "2026-11-24 13:37:00.007000" }]);
});

test("filters by reward, status and text agree with the rows, so the statistics do not lie", async () => {
  const all = fc.sample(anyRow, { seed: seed + 1, numRuns: 200 }).map((row, i) => ({ ...row, row_index: i }));
  const from = await shards("filter", [all.slice(0, 70), all.slice(70, 140), all.slice(140)]);
  const picked = async (where: string): Promise<unknown[]> =>
    (await duckdb(`SELECT row_index FROM ${from} WHERE ${where} ORDER BY 1`)).map((row) => row.row_index);
  const wanted = (keep: (row: ResultRow) => boolean): number[] => all.filter(keep).map((row) => row.row_index);
  const bound = all.find((row) => row.reward !== null)?.reward ?? 0;
  expect(await picked(`reward >= ${bound}`)).toEqual(wanted((row) => row.reward !== null && row.reward >= bound));
  expect(await picked("status = 'ok'")).toEqual(wanted((row) => row.status === "ok"));
  expect(await picked("in_label = '👩‍🚀 日本'")).toEqual(wanted((row) => row.columns.in_label === "👩‍🚀 日本"));
  expect(await picked("in_gold")).toEqual(wanted((row) => row.columns.in_gold === true));
});

test("the footer's facts are there for any reader", async () => {
  await shards("footer", [[okRow(0)]]);
  const rows = await duckdb(
    `SELECT key::VARCHAR AS key, value::VARCHAR AS value FROM parquet_kv_metadata('${folder}/footer-000000.parquet')`,
  );
  expect(Object.fromEntries(rows.map(({ key, value }) => [key, value]))).toEqual(metadata);
});
