import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { parquetMetadata } from "hyparquet";
import { encodeShard } from "../src/encode-shard.ts";
import type { ExportOptions, ExportRow } from "../src/export-row.ts";
import { writeExport } from "../src/write-export.ts";
import { duckdb } from "./duckdb.ts";
import { anyRow, bareRow, metadata, okRow, userColumns } from "./result-rows.ts";

const seed = 20_261_124;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-export-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function* inChunks(rows: readonly ExportRow[], size: number): AsyncGenerator<readonly ExportRow[]> {
  yield [];
  for (let from = 0; from < rows.length; from += size) yield rows.slice(from, from + size);
}

/** Collects what is written; a copy, as a file would be. */
async function exported(options: ExportOptions, rows: readonly ExportRow[], size = 256) {
  const writes: Buffer[] = [];
  const count = await writeExport(options, inChunks(rows, size), {
    write: async (bytes) => {
      writes.push(Buffer.from(bytes));
    },
  });
  return { count, writes, bytes: Buffer.concat(writes) };
}

const scored = (rows: number): ExportRow[] =>
  Array.from({ length: rows }, (_, i) => ({
    row: i % 3 === 2 ? bareRow(i) : okRow(i),
    prompt: i % 3 === 2 ? null : `question ${i} 👩‍🚀`,
    response: i % 3 === 2 ? null : `answer ${i}`.repeat(i % 7),
  }));

test.each([
  [0, false],
  [1, false],
  [10_001, false],
  [0, true],
  [2_500, true],
])("a Parquet export of %i rows (text: %s) is the shards it came from", async (count, text) => {
  const rows = scored(count);
  const made = await exported({ format: "parquet", text, columns: userColumns }, rows);
  expect(made.count).toBe(count);
  const name = `${count}-${text}`;
  const results = rows.map(({ row }) => row);
  await writeFile(join(folder, `export-${name}.parquet`), made.bytes);
  await writeFile(join(folder, `shard-${name}-0.parquet`), encodeShard(results.slice(0, 700), metadata, userColumns));
  await writeFile(join(folder, `shard-${name}-1.parquet`), encodeShard(results.slice(700), metadata, userColumns));
  const one = `read_parquet('${folder}/export-${name}.parquet')`;
  const many = `read_parquet('${folder}/shard-${name}-*.parquet')`;
  const own = text ? "* EXCLUDE (prompt, response)" : "*";
  // both ways and with doubles counted: EXCEPT ALL knows how often a row stands
  expect(
    await duckdb(`
      SELECT (SELECT count(*) FROM ${one}) AS rows,
        (SELECT count(*) FROM (SELECT ${own} FROM ${one} EXCEPT ALL SELECT * FROM ${many})) AS invented,
        (SELECT count(*) FROM (SELECT * FROM ${many} EXCEPT ALL SELECT ${own} FROM ${one})) AS lost`),
  ).toEqual([{ rows: count, invented: 0, lost: 0 }]);
  const described = async (from: string) =>
    (await duckdb(`DESCRIBE SELECT * FROM ${from}`)).map((row) => `${row.column_name} ${row.column_type}`);
  expect(await described(one)).toEqual([
    ...(await described(many)),
    ...(text ? ["prompt VARCHAR", "response VARCHAR"] : []),
  ]);
  if (text) {
    expect(await duckdb(`SELECT row_index, prompt, response FROM ${one}`)).toEqual(
      rows.map(({ row, prompt, response }) => ({ row_index: row.row_index, prompt, response })),
    );
  }
});

test.each([
  ["scores", false, 10_001, [10_000, 1]],
  ["texts", true, 2_000, [1_000, 1_000]],
])("rows with %s leave in groups, so memory holds one group", async (_, text, count, groups) => {
  const rows = scored(count);
  const made = await exported({ format: "parquet", text, columns: userColumns }, rows, 300);
  const footer = parquetMetadata(Uint8Array.from(made.bytes).buffer);
  expect(footer.row_groups.map((group) => Number(group.num_rows))).toEqual(groups);
  expect(Math.max(...made.writes.map((bytes) => bytes.length))).toBeLessThan(made.bytes.length);
  // how the chunks were cut does not show
  expect((await exported({ format: "parquet", text, columns: userColumns }, rows, 7)).bytes.equals(made.bytes)).toBe(
    true,
  );
});

test("rows with long texts leave in groups of fewer rows, whichever column the text is in", async () => {
  const long = "x".repeat(16 * 1024 * 1024);
  const rows = Array.from({ length: 9 }, (_, i) =>
    i < 4
      ? { row: okRow(i, { reasoning: long }), prompt: null, response: null }
      : { row: okRow(i), prompt: null, response: long },
  );
  const { bytes } = await exported({ format: "parquet", text: true, columns: userColumns }, rows);
  const footer = parquetMetadata(Uint8Array.from(bytes).buffer);
  expect(footer.row_groups.map((group) => Number(group.num_rows))).toEqual([4, 4, 1]);
});

test("a JSONL export is one object a row: null kept, carried as JSON, the user's columns flat", async () => {
  const rows: ExportRow[] = [
    { row: okRow(0, { carried: '{"n":1,"s":"é"}' }), prompt: "Q\n\u2028", response: "" },
    { row: bareRow(1), prompt: null, response: null },
  ];
  const { bytes, count } = await exported({ format: "jsonl", text: true, columns: userColumns }, rows);
  expect(count).toBe(2);
  const lines = bytes.toString("utf8").split("\n");
  expect(lines.pop()).toBe("");
  const { columns, ...fixed } = okRow(0);
  const { columns: none, ...bare } = bareRow(1);
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    {
      ...fixed,
      ...columns,
      carried: { n: 1, s: "é" },
      scored_at: "2025-11-24T16:00:00.123Z",
      prompt: "Q\n\u2028",
      response: "",
    },
    { ...bare, ...none, scored_at: "2025-11-24T16:00:00.124Z", prompt: null, response: null },
  ]);
});

test("a CSV export is read back with every text whole, null and empty text apart", async () => {
  const texts = ['a "quoted", text', "two\nlines\r\n", "", "=1+1", "é 👩‍🚀", " spaced "];
  const rows: ExportRow[] = texts.map((text, i) => ({
    row: i === 2 ? bareRow(i) : okRow(i, { carried: '{"n":[1,2]}', principle: text }),
    prompt: text,
    response: i === 4 ? null : text,
  }));
  for (const size of [1, 256]) {
    const { bytes } = await exported({ format: "csv", text: true, columns: userColumns }, rows, size);
    const path = join(folder, `texts-${size}.csv`);
    await writeFile(path, bytes);
    const read = await duckdb(
      `SELECT prompt, response, principle, reward, floored, carried, in_turn FROM read_csv('${path}', all_varchar = true, allow_quoted_nulls = false)`,
    );
    expect(read).toEqual(
      rows.map(({ row, prompt, response }) => ({
        prompt,
        response,
        principle: row.principle,
        reward: row.reward === null ? null : String(row.reward),
        floored: row.floored === null ? null : String(row.floored),
        carried: row.carried,
        in_turn: row.columns.in_turn === null ? null : String(row.columns.in_turn),
      })),
    );
  }
});

test("a CSV export without rows is its header", async () => {
  const { bytes } = await exported({ format: "csv", text: true, columns: userColumns }, []);
  expect(bytes.toString("utf8")).toMatch(
    /^row_index,id,group,.*,reasoning,in_label,in_score,in_turn,in_gold,prompt,response\n$/,
  );
});

test("a JSONL export without text holds no text, and the Parquet one has no such column", async () => {
  const rows = [{ row: okRow(0), prompt: "the question", response: "the answer" }];
  for (const format of ["jsonl", "parquet"] as const) {
    const { bytes } = await exported({ format, text: false, columns: userColumns }, rows);
    expect(bytes.includes("the question") || bytes.includes("the answer") || bytes.includes("prompt\0")).toBe(false);
  }
});

test("any rows: DuckDB reads the same scores from the JSONL and the Parquet export", async () => {
  const sample = fc.sample(anyRow, { seed, numRuns: 100 }).map((row, i) => ({
    row: { ...row, row_index: i, carried: null },
    prompt: null,
    response: null,
  }));
  for (const format of ["jsonl", "parquet"] as const) {
    const { bytes } = await exported({ format, text: false, columns: userColumns }, sample);
    await writeFile(join(folder, `any.${format}`), bytes);
  }
  const picked = "row_index, id, status, reward, logprob_yes, floored, attempts, in_label, in_score, in_turn, in_gold";
  const types =
    "{row_index: 'BIGINT', id: 'VARCHAR', status: 'VARCHAR', reward: 'DOUBLE', logprob_yes: 'DOUBLE', floored: 'BOOLEAN', attempts: 'INTEGER', in_label: 'VARCHAR', in_score: 'DOUBLE', in_turn: 'BIGINT', in_gold: 'BOOLEAN'}";
  const lines = await duckdb(
    `SELECT ${picked} FROM read_json('${folder}/any.jsonl', format = 'newline_delimited', columns = ${types})`,
  );
  expect(lines).toEqual(await duckdb(`SELECT ${picked} FROM read_parquet('${folder}/any.parquet')`));
  expect(lines).toHaveLength(sample.length);
});

test("a row that no shard could hold is refused by the Parquet export, too", async () => {
  const rows = [{ row: okRow(3, { reward: Number.NaN }), prompt: null, response: null }];
  await expect(exported({ format: "parquet", text: false, columns: userColumns }, rows)).rejects.toMatchObject({
    code: "E_SHARD_SCHEMA",
    where: "row 3, column reward",
  });
});

test("a sink that fails ends the export with its own error", async () => {
  for (const format of ["jsonl", "parquet"] as const) {
    const failing = writeExport({ format, text: false, columns: userColumns }, inChunks(scored(10), 5), {
      write: () => Promise.reject(Object.assign(new Error("disk full"), { code: "ENOSPC" })),
    });
    await expect(failing).rejects.toMatchObject({ code: "ENOSPC" });
  }
});

test("a reward that a policy puts in the place of a missing one is exported, and the row keeps its status", async () => {
  const rows: ExportRow[] = [
    { row: okRow(0), prompt: null, response: null },
    { row: bareRow(1), reward: -50, prompt: null, response: null },
  ];
  const told = [
    { row_index: 0, status: "ok", reward: okRow(0).reward },
    { row_index: 1, status: "bad_input", reward: -50 },
  ];
  for (const [format, read] of [
    ["jsonl", "read_json"],
    ["csv", "read_csv"],
    ["parquet", "read_parquet"],
  ] as const) {
    const { bytes } = await exported({ format, text: false, columns: userColumns }, rows);
    const path = join(folder, `filled.${format}`);
    await writeFile(path, bytes);
    expect(await duckdb(`SELECT row_index, status, reward FROM ${read}('${path}') ORDER BY row_index`)).toEqual(told);
  }
});
