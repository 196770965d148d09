import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { beforeAll, expect, test } from "@jest/globals";
import { expectExit } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/** Several answers to each row, as a user asks for them, against the built command and the simulated engine. */

let folder: string;
let input: string;
let root: string;
let batch: string;

const settings = ["--principle", "correctness", "--samples", "5", "--seed", "11"];
const text = Array.from({ length: 40 }, (_, i) =>
  JSON.stringify({ prompt: `What is ${i}+2?`, response: `It is ${i}.` }),
);

async function score(to: string, ...flags: string[]): Promise<string> {
  const args = ["score", input, "--root", join(folder, to), "--engine", "sim", "--max-failed", "1", "--json", ...flags];
  const { stdout } = await expectExit(0, args);
  return (JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { batch: string }).batch;
}

beforeAll(async () => {
  folder = await tempFolder();
  root = join(folder, "root");
  input = join(folder, "mine.jsonl");
  await writeFile(input, text.join("\n"));
  batch = await score("root", ...settings);
}, 120_000);

async function query(sql: string): Promise<object[]> {
  const duck = await (await DuckDBInstance.create()).connect();
  return (await duck.runAndReadAll(sql)).getRowObjectsJson();
}

test("one line a row; a stranger's reader works every reward out from the five answers in it", async () => {
  await expectExit(0, ["verify", batch, "--root", root]);
  const rows = await query(`
    select count(*)::int as rows, min(len(samples))::int as fewest, max(len(samples))::int as most,
      bool_and(list_transform(samples, s -> s.seed::int) = [11, 12, 13, 14, 15]) as seeded,
      bool_or(len(list_distinct(list_transform(samples, s -> s.reward))) > 1) as differ,
      max(abs(reward - list_avg(list_transform(samples, s -> s.reward)))) < 1e-9 as is_mean,
      bool_and(completion_tokens = list_sum(list_transform(samples, s -> s.completion_tokens))) as tokens,
      bool_and((reward is not null) = (len(list_filter(samples, s -> s.status = 'ok')) >= 3)) as majority
    from '${join(root, batch, "rewards")}/*.parquet'`);
  expect(rows).toEqual([
    { rows: 40, fewest: 5, most: 5, seeded: true, differ: true, is_mean: true, tokens: true, majority: true },
  ]);
}, 60_000);

test("the same seed gives the same answers; samples and rule are another batch, one sample has none", async () => {
  const of = (to: string, name: string): Promise<object[]> =>
    query(`select row_index, reward, samples from '${join(folder, to, name, "rewards")}/*.parquet' order by row_index`);
  expect(await score("again", ...settings)).toBe(batch);
  expect(await of("again", batch)).toEqual(await of("root", batch));
  const voted = await score("again", ...settings, "--set", "combine=majority");
  const single = await score("again", ...settings.slice(0, 2), "--seed", "11");
  expect(new Set([batch, voted, single]).size).toBe(3);
  // the first sample of five is the only one of one
  const first = (row: object): unknown => (row as { samples: { reward: number }[] }).samples[0]?.reward;
  expect((await of("again", single)).map((row) => (row as { reward: number }).reward)).toEqual(
    (await of("root", batch)).map(first),
  );
}, 120_000);

test("explain shows them and combines them anew; an export carries them; plan says what they cost", async () => {
  const { stdout } = await expectExit(0, ["explain", batch, "3", "--root", root]);
  expect(stdout).toMatch(/its samples/);
  expect(stdout).toMatch(/mean-margin/);
  expect(stdout).toMatch(/the stored row when combined anew/);
  const explained = JSON.parse(
    (await expectExit(0, ["explain", batch, "3", "--root", root, "--json"])).stdout,
  ) as object;
  expect(explained).toMatchObject({ samples: { combine: "mean-margin", asked: 5, combined_is_stored: true } });

  const out = join(folder, "out.jsonl");
  await expectExit(0, ["export", batch, out, "--root", root]);
  expect(await query(`select min(len(samples))::int as n from '${out}'`)).toEqual([{ n: 5 }]);

  const model = ["--model", "simulator", "--json"];
  const night = async (...flags: string[]) =>
    JSON.parse((await expectExit(0, ["plan", input, ...flags, ...model])).stdout) as {
      night: { nodeHours: number };
      samples: number;
    };
  const [one, five] = [await night("--principle", "correctness"), await night(...settings)];
  expect(five.samples).toBe(5);
  expect(five.night.nodeHours).toBeCloseTo(5 * one.night.nodeHours, 9);
}, 60_000);

test("samples that would all be one answer are refused, with what to do", async () => {
  const { stderr } = await expectExit(2, [
    "plan",
    input,
    "--model",
    "simulator",
    ...settings,
    "--set",
    "temperature=0",
  ]);
  expect(stderr).toContain("temperature");
}, 60_000);
