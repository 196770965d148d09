import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { expectExit, startAssay } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/** What people load without reading a manual, against the built command. */

let folder: string;
let root: string;
const groups = 12;
const responses = 4;

beforeAll(async () => {
  folder = await tempFolder();
  root = join(folder, "root");
  const input = join(folder, "rollouts.jsonl");
  const records = Array.from({ length: groups }, (_, g) => ({
    prompt: `What is ${g}+2?`,
    // the last two are one text: sampled twice
    responses: Array.from({ length: responses }, (_, r) => `It is ${g + Math.min(r, responses - 2)}.`),
    group: `g${g}`,
  }));
  await writeFile(input, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  await expectExit(0, ["score", input, "--root", root, "--engine", "sim", "--principle", "correctness"]);
}, 180_000);

async function sql(text: string): Promise<{ [column: string]: unknown }[]> {
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  return (await connection.runAndReadAll(text)).getRowObjectsJS() as { [column: string]: unknown }[];
}

async function exported(name: string, ...flags: string[]): Promise<string> {
  const path = join(folder, name);
  await expectExit(0, ["export", "latest", path, "--root", root, ...flags]);
  return path;
}

test("a CSV holds the rewards of the Parquet export", async () => {
  const [csv, parquet] = [await exported("rows.csv", "--text"), await exported("rows.parquet", "--text")];
  const columns = "row_index, reward, logprob_yes, status, prompt, response";
  const read = await sql(`SELECT ${columns} FROM read_csv('${csv}') ORDER BY row_index`);
  expect(read).toHaveLength(groups * responses);
  expect(read).toEqual(await sql(`SELECT ${columns} FROM read_parquet('${parquet}') ORDER BY row_index`));
}, 60_000);

test("a data set folder has a card that names its files, and is never written over", async () => {
  const path = await exported("set", "--as", "dataset", "--text");
  expect((await readdir(path, { recursive: true })).sort()).toEqual(["README.md", "data", "data/train-00000.parquet"]);
  const card = await readFile(join(path, "README.md"), "utf8");
  expect(card).toContain("path: data/train-*.parquet");
  expect(card).toContain("They are no judgements.");
  expect(
    await sql(`SELECT count(*) AS n, count(prompt) AS texts FROM read_parquet('${path}/data/train-*.parquet')`),
  ).toEqual([{ n: BigInt(groups * responses), texts: BigInt(groups * responses) }]);
  const again = await expectExit(2, ["export", "latest", path, "--root", root, "--as", "dataset"]);
  expect(again.stderr).toContain("exists already");
}, 60_000);

describe("a data set folder of which an export was stopped", () => {
  async function stopped(name: string, process: string): Promise<string> {
    const path = join(folder, name);
    await mkdir(join(path, "data"), { recursive: true });
    await writeFile(join(path, ".assay-unfinished"), `${process}\n`);
    // of a larger batch, cut in the third file; one that is none of ours beside them
    const parts = ["data/train-00003.parquet.0123abcd.part", "README.md.4567cdef.part"];
    for (const file of ["data/train-00000.parquet", "data/train-00002.parquet", "data/mine.txt", "README.md", ...parts])
      await writeFile(join(path, file), "PAR1 half");
    return path;
  }

  test("is begun anew by the same command, and nothing of the first try is left in it", async () => {
    const path = await stopped("stopped", `${hostname()}\n${await deadProcess()}`);
    await exported("stopped", "--as", "dataset");
    const files = ["README.md", "data", "data/mine.txt", "data/train-00000.parquet"];
    expect((await readdir(path, { recursive: true })).sort()).toEqual(files);
    const [counted] = await sql(`SELECT count(*) AS n FROM read_parquet('${path}/data/train-*.parquet')`);
    expect(counted).toEqual({ n: BigInt(groups * responses) });
    expect(await readFile(join(path, "README.md"), "utf8")).toContain("# Rewards of");
  }, 60_000);

  test.each([
    ["this host's, which runs", () => `${hostname()}\n${process.pid}`],
    ["another host's, which may run", () => "elsewhere\n1"],
  ])(
    "is left alone where its process is %s",
    async (name, owner) => {
      const path = await stopped(`running ${name.slice(0, 4)}`, owner());
      const { stderr } = await expectExit(2, ["export", "latest", path, "--root", root, "--as", "dataset"]);
      expect(stderr).toContain(`process ${owner().split("\n")[1]} on ${owner().split("\n")[0]}`);
      expect(await readFile(join(path, "data/train-00000.parquet"), "utf8")).toBe("PAR1 half");
    },
    60_000,
  );
});

/** The number of a process that has ended: no other gets it so soon. */
async function deadProcess(): Promise<number | undefined> {
  const { child, ended } = startAssay(["--version"]);
  await ended;
  return child.pid;
}

test("what is unfinished is exported as far as it is there, and ends in exit 75: no command that follows takes it for whole", async () => {
  const own = join(folder, "unfinished");
  const input = join(folder, "rollouts.jsonl");
  await expectExit(0, ["submit", input, "--root", own, "--model", "simulator", "--principle", "correctness"]);
  const path = join(folder, "unfinished.jsonl");
  const { stderr } = await expectExit(75, ["export", "latest", path, "--root", own]);
  expect(stderr).toMatch(
    new RegExp(`E_NOT_FINISHED .*\\n +where +rollouts-[0-9a-f]{16} \\(0 of ${groups * responses} rows\\)`),
  );
  expect(await readFile(path, "utf8")).toBe("");
}, 60_000);

test("pairs are best against worst of one conversation, and what gave none is said", async () => {
  const path = join(folder, "pairs.jsonl");
  const { stderr } = await expectExit(0, [
    "export",
    "latest",
    path,
    "--root",
    root,
    "--as",
    "pairs",
    "--margin",
    "0.5",
  ]);
  const pairs = (await readFile(path, "utf8"))
    .trim()
    .split("\n")
    .map(
      (line) =>
        JSON.parse(line) as {
          group: string;
          margin: number;
          prompt: { content: string }[];
          chosen: unknown;
          rejected: unknown;
          chosen_row: number;
        },
    );
  expect(pairs.length).toBeGreaterThan(0);
  expect(stderr).toContain(`${pairs.length} pairs of ${groups} groups`);
  const best = await sql(
    `SELECT "group", max(reward) - min(reward) AS margin FROM read_parquet('${await exported("best.parquet")}') GROUP BY ALL`,
  );
  for (const pair of pairs) {
    expect(pair.margin).toBe(best.find(({ group }) => group === pair.group)?.margin);
    expect(pair.prompt[0]?.content).toBe(`What is ${pair.group.slice(1)}+2?`);
    expect(pair.chosen).not.toEqual(pair.rejected);
  }
}, 60_000);

test.each([["dataset"], ["rows"]])(
  "an address in a bucket is refused, and is no folder here: --as %s",
  async (shape) => {
    const address = `s3://bucket/${shape}.parquet`;
    const { stderr } = await expectExit(2, ["export", "latest", address, "--root", root, "--as", shape]);
    expect(stderr).toContain("an export is written to this machine");
    expect(await readdir(".")).not.toContain("s3:");
  },
  60_000,
);

test("the table of groups says how many records have no group, since they could not be read", async () => {
  const [input, other] = [join(folder, "half.jsonl"), join(folder, "other")];
  await writeFile(input, '{"prompt":"Q","response":"A"}\n{"prompt":1}\n');
  const flags = ["--principle", "correctness", "--max-bad", "1", "--max-failed", "1"];
  await expectExit(0, ["score", input, "--root", other, "--engine", "sim", ...flags]);
  const path = join(folder, "half.csv");
  const { stderr } = await expectExit(0, ["export", "latest", path, "--root", other, "--as", "groups"]);
  expect(stderr).toContain("left out: 1 record that could not be read, and so has no group");
}, 120_000);

test("the table of groups stands beside DuckDB's own figures", async () => {
  const path = await exported("groups.csv", "--as", "groups");
  const wrong = await sql(
    `SELECT "group" FROM read_csv('${path}') GROUP BY "group", group_mean HAVING abs(avg(reward) - group_mean) > 1e-9 OR count(*) <> any_value(group_rows)`,
  );
  expect(wrong).toEqual([]);
}, 60_000);

test.each<[string[], string]>([
  [["x.txt"], "FILE.parquet or FILE.jsonl or FILE.csv"],
  [["x.parquet", "--as", "pairs"], "FILE.jsonl"],
  [["x.csv", "--as", "groups", "--missing", "zero"], "takes rewards alone"],
  [["x.csv", "--as", "table"], "rows, dataset, pairs, groups"],
])(
  "%j is refused with what is allowed",
  async (args, told) => {
    const { stderr } = await expectExit(2, ["export", "latest", ...args, "--root", root]);
    expect(stderr).toContain(told);
  },
  60_000,
);
