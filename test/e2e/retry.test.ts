import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Simulator, startSimulator } from "@assay/simulator";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { expectExit } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/** A morning after: some answers were cut, one command asks them again, and everything follows the family. */

let folder: string;
let root: string;
let batch: string;
let short: Simulator;

const assay = async (code: number, ...args: string[]): Promise<string> =>
  (await expectExit(code, [...args, "--root", root])).stdout;
const lastLine = (text: string): { [name: string]: unknown } =>
  JSON.parse(text.trim().split("\n").at(-1) ?? "") as { [name: string]: unknown };

beforeAll(async () => {
  folder = await tempFolder();
  root = join(folder, "root");
  const input = join(folder, "mine.jsonl");
  const lines = Array.from({ length: 40 }, (_, i) =>
    JSON.stringify({ prompt: `What is ${i}+2?`, response: `${i + 2}` }),
  );
  await writeFile(input, `${[...lines, "{broken"].join("\n")}\n`);
  short = await startSimulator({ tokensPerSecond: 0, reasoningTokens: 200 });
  const scored = await expectExit(3, [
    "score",
    input,
    "--root",
    root,
    "--engine",
    short.url,
    "--principle",
    "correctness",
    "--max-bad",
    "10%",
    "--set",
    "max_tokens=180",
    "--json",
  ]);
  batch = String(lastLine(scored.stdout).batch);
}, 120_000);
afterAll(() => short?.close());

test("a cut answer is a failure with an example and the command that asks it again; that command makes one child", async () => {
  const before = JSON.parse(await assay(0, "failures", "latest", "--json")) as {
    failed: number;
    groups: { status: string; rows: number; next: string; example: { row_index: number } }[];
  };
  const cut = before.groups.find(({ status }) => status === "truncated");
  const rows = cut?.rows ?? 0;
  expect(rows).toBeGreaterThan(3);
  expect(rows).toBeLessThan(40);
  expect(before.groups.find(({ status }) => status === "bad_input")).toMatchObject({
    rows: 1,
    example: { row_index: 40 },
  });
  expect(cut?.next).toContain(`retry ${batch} --status truncated --set max_tokens=360`);
  expect(await assay(0, "failures")).toContain(`${rows} truncated`);

  // nothing to ask: said, exit 0, nothing written
  expect(await assay(0, "retry", batch, "--status", "engine_error")).toBe("");
  const none = await assay(0, "retry", batch, "--status", "engine_error", "--json");
  expect(JSON.parse(none)).toEqual({ batch: null, state: null, rows: 0, retry_of: batch });
  const retry = ["retry", batch.slice(0, 10), "--status", "truncated", "--set", "max_tokens=4000"];
  expect(await assay(0, ...retry)).toBe(`${batch}-r1\n`);
  expect(JSON.parse(await assay(0, "status", batch, "--json"))).toMatchObject({
    retries: [
      { batch: `${batch}-r1`, state: "running", rows, done: 0, asks: ["truncated"], set: { max_tokens: "4000" } },
    ],
  });
  expect(await assay(0, "status", batch)).toMatch(new RegExp(`next +\\S+ wait ${batch}-r1 `));
  // the batch is whole, its family is not
  expect((await expectExit(75, ["verify", batch, "--root", root])).stderr).toContain(`${batch}-r1`);
  // another retry waits for this one, and is told of it
  const other = await expectExit(75, ["retry", batch, "--status", "looped", "--root", root]);
  expect(other.stderr).toContain(`${batch}-r1`);

  // the same command, with an engine: the same child, worked on here
  const worked = lastLine(await assay(0, ...retry, "--engine", short.url, "--json"));
  expect(worked).toMatchObject({ batch: `${batch}-r1`, state: "complete", rows, ok: rows });
  expect(lastLine(await assay(0, ...retry, "--engine", short.url, "--json"))).toMatchObject({
    batch: `${batch}-r1`,
    ok: rows,
  });

  const status = JSON.parse(await assay(0, "status", "latest", "--json")) as { ok_with_retries: number };
  expect(status).toMatchObject({ batch, state: "complete", ok_with_retries: 40, retries: [{ state: "complete" }] });
  expect(await assay(0, "status", batch)).toMatch(/in all +40 of 41 rows have a reward/);
  expect(await assay(0, "verify", batch, "--deep")).toContain(`${batch}-r1  ${rows} of ${rows}: ${rows} ok`);
  await assay(0, "verify", `${batch}-r1`);
  // what its retries made good is no failure of the batch any more
  await assay(0, "wait", batch);
  expect(JSON.parse(await assay(0, "failures", batch, "--json"))).toMatchObject({ failed: 1 });
}, 240_000);

test("a retry that no engine here can run is refused before it is begun, and another one can follow", async () => {
  const own = join(folder, "small-root");
  const input = join(folder, "small.jsonl");
  await writeFile(
    input,
    Array.from({ length: 20 }, (_, i) => `${JSON.stringify({ prompt: `What is ${i}+3?`, response: "7" })}\n`).join(""),
  );
  const small = await startSimulator({ tokensPerSecond: 0, reasoningTokens: 200, maxModelLen: 4_000 });
  try {
    const engine = ["--root", own, "--engine", small.url];
    await expectExit(3, ["score", input, ...engine, "--principle", "correctness", "--set", "max_tokens=150"]);
    const again = ["retry", "latest", "--status", "truncated", ...engine];
    const refused = await expectExit(6, [...again, "--set", "max_tokens=8000"]);
    expect(refused.stderr).toContain("E_ENGINE_REFUSED");
    await expectExit(0, [...again, "--set", "max_tokens=1500"]);
    await expectExit(0, ["verify", "latest", "--root", own]);
  } finally {
    await small.close();
  }
}, 120_000);

test("an export of the batch has every row once, the newest; a stranger's reader adds the family up the same", async () => {
  const out = join(folder, "scores.parquet");
  await assay(0, "export", batch, out, "--text");
  const duck = await (await DuckDBInstance.create()).connect();
  const told = async (sql: string) => (await duck.runAndReadAll(sql)).getRowObjectsJson();
  expect(
    await told(`select count(*)::int as rows, count(distinct row_index)::int as once, count(reward)::int as ok,
      count(*) filter (batch like '%-r1')::int > 3 as retried, count(response)::int as texts from '${out}'`),
  ).toEqual([{ rows: 41, once: 41, ok: 40, retried: true, texts: 40 }]);
  // exact without any chain: a row is ok at most once over the family
  expect(
    await told(
      `select count(*)::int as rows, count(distinct row_index)::int as once from '${root}/*/rewards/*.parquet' where status = 'ok'`,
    ),
  ).toEqual([{ rows: 40, once: 40 }]);

  for (const [policy, rows, last] of [
    ["null", 41, null],
    ["floor", 41, -50],
    ["drop", 40, undefined],
  ] as const) {
    const path = join(folder, `${policy}.jsonl`);
    await assay(0, "export", batch, path, "--missing", policy);
    const lines = (await readFile(path, "utf8")).trim().split("\n");
    expect(lines).toHaveLength(rows);
    const bad = lines
      .map((line) => JSON.parse(line) as { status: string; reward: number })
      .find(({ status }) => status === "bad_input");
    expect(bad?.reward).toBe(last);
  }
  await expectExit(2, ["export", batch, join(folder, "x.jsonl"), "--missing", "mean", "--root", root]);
}, 120_000);

test("explain leads from an older result to the newer one", async () => {
  const { groups } = JSON.parse(await assay(0, "failures", `${batch}-r1`, "--json")) as { groups: unknown[] };
  expect(groups).toEqual([]);
  const rows = (await readFile(join(folder, "null.jsonl"), "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { row_index: number; batch: string });
  const again = rows.find((row) => row.batch.endsWith("-r1"))?.row_index ?? -1;
  const older = await expectExit(0, ["explain", batch, String(again), "--root", root]);
  expect(older.stderr).toContain(`explain ${batch}-r1 ${again}`);
  expect(JSON.parse(await assay(0, "explain", `${batch}-r1`, String(again), "--json"))).toMatchObject({
    row_index: again,
    result: { status: "ok" },
  });
  const never = rows.find((row) => !row.batch.endsWith("-r1"))?.row_index ?? -1;
  await expectExit(2, ["explain", `${batch}-r1`, String(never), "--root", root]);
}, 60_000);
