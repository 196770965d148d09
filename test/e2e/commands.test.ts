import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { expectExit, runAssay } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/** What a newcomer types, in the order of the README, against the built command. */

let folder: string;
let root: string;
let input: string;
let score: string[];
let batch: string;

const records = Array.from({ length: 20 }, (_, i) => ({
  prompt: `What is ${i}+2? 🤔`,
  response: `It is ${i + 2}.`,
  source: i % 2 === 0 ? "school" : 7,
}));

beforeAll(async () => {
  folder = await tempFolder();
  root = join(folder, "root");
  input = join(folder, "mine.jsonl");
  await writeFile(input, records.map((record) => JSON.stringify(record)).join("\n"));
  score = ["score", input, "--root", root, "--engine", "sim", "--principle", "correctness", "--json"];
  const { stdout } = await expectExit(0, score);
  batch = (JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { batch: string }).batch;
}, 120_000);

describe("a scored batch", () => {
  test("is the same batch when it is scored again, and nothing is asked", async () => {
    const again = await expectExit(0, score);
    expect(JSON.parse(again.stdout.trim().split("\n").at(-1) ?? "")).toMatchObject({
      batch,
      rows: 20,
      ok: 20,
      failed: 0,
    });
  }, 60_000);

  test("is another batch under another model, other sampling or another principle", async () => {
    const name = async (...flags: string[]): Promise<string> =>
      (JSON.parse((await expectExit(0, ["plan", input, "--json", ...flags])).stdout) as { batch: string }).batch;
    const names = [
      await name("--model", "simulator", "--principle", "correctness"),
      await name("--model", "other", "--profile", "genrm-principle", "--principle", "correctness"),
      await name("--model", "simulator@r2", "--principle", "correctness"),
      await name("--model", "simulator", "--principle", "correctness", "--set", "temperature=0"),
      await name("--model", "simulator", "--principle", "brevity"),
    ];
    expect(names[0]).toBe(batch);
    expect(new Set(names).size).toBe(5);
  }, 60_000);

  test("runs in file order where a person wishes it; the batch and its name are the same", async () => {
    const own = join(folder, "ordered");
    const submit = ["submit", input, "--root", own, "--model", "simulator", "--principle", "correctness"];
    const { stdout } = await expectExit(0, [...submit, "--order", "file"]);
    expect(stdout.trim()).toBe(batch);
    const stored = async (of: string) => JSON.parse(await readFile(join(of, batch, "batch.json"), "utf8")) as object;
    expect(await stored(own)).toMatchObject({ order: "file" });
    expect(await stored(root)).toMatchObject({ order: "mixed" });
    const refused = await expectExit(2, [...submit, "--order", "random"]);
    expect(refused.stderr).toContain("mixed, file");
  }, 60_000);

  test("verifies; a flipped byte in a shard is exit 7 and names promise and shard", async () => {
    await expectExit(0, ["verify", batch, "--root", root]);
    const damaged = join(folder, "damaged");
    await copyTree(root, damaged);
    const shard = join(damaged, batch, "rewards", "000000.parquet");
    const bytes = await readFile(shard);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await writeFile(shard, bytes);
    const { stdout, stderr } = await expectExit(7, ["verify", batch, "--root", damaged]);
    expect(stdout + stderr).toContain("rewards/000000.parquet");
    expect(stdout + stderr).toMatch(/\bP2\b/);
  }, 60_000);

  test("is to a stranger's reader what verify says of it: rows, statuses, and the formula of every reward", async () => {
    const verified = JSON.parse((await expectExit(0, ["verify", batch, "--root", root, "--json"])).stdout) as object;
    const duck = await (await DuckDBInstance.create()).connect();
    const found = await duck.runAndReadAll(`
      select count(*)::int as rows, count(distinct row_index)::int as distinct_rows,
        count(*) filter (status = 'ok')::int as ok,
        count(*) filter ((reward is null) = (status = 'ok'))::int as invented,
        max(abs(reward - (greatest(logprob_yes, -50) - greatest(logprob_no, -50)))) as off
      from '${join(root, batch, "rewards")}/*.parquet'`);
    expect(found.getRowObjectsJson()).toEqual([{ rows: 20, distinct_rows: 20, ok: 20, invented: 0, off: 0 }]);
    expect(verified).toMatchObject({ rows: 20, doneRows: 20, status: { ok: 20 }, broken: null });
  }, 60_000);

  test("exports with its texts; a stranger's reader sees reward beside text", async () => {
    const out = join(folder, "scores.parquet");
    await expectExit(0, ["export", "latest", out, "--root", root, "--text"]);
    const duck = await (await DuckDBInstance.create()).connect();
    const found = await duck.runAndReadAll(
      `select row_index, prompt, response, reward, carried from '${out}' order by row_index`,
    );
    const rows = found.getRowObjectsJson();
    expect(rows.map(({ prompt, response }) => ({ prompt, response }))).toEqual(
      records.map(({ prompt, response }) => ({ prompt, response })),
    );
    expect(rows.every(({ reward }) => typeof reward === "number")).toBe(true);
    expect(rows.map(({ carried }) => JSON.parse(String(carried)) as unknown)).toEqual(
      records.map(({ source }) => ({ source })),
    );
  }, 60_000);

  test("exports what is an input again; of JSON Lines `carried` is an object, taken with --carry-all", async () => {
    for (const [name, leftOut] of [
      ["again.jsonl", { carried: 20 }],
      ["again.parquet", {}],
    ] as const) {
      const out = join(folder, name);
      await expectExit(0, ["export", batch, out, "--root", root, "--text"]);
      const plan = async (...flags: string[]) =>
        JSON.parse((await expectExit(0, ["plan", out, "--model", "simulator", "--json", ...flags])).stdout) as object;
      expect(await plan()).toMatchObject({ rows: 20, left_out: leftOut });
      expect(await plan("--carry-all")).toMatchObject({ rows: 20, left_out: {} });
    }
  }, 60_000);

  test("says which field it does not read, and which column nobody has a value for", async () => {
    const twice = join(folder, "twice.jsonl");
    await writeFile(twice, '{"prompt":"Q","response":"A","responses":["B"],"principle":"p","score":1}\n');
    const { stdout } = await expectExit(0, [
      ...["plan", twice, "--model", "simulator", "--json"],
      ...["--carry", "score:double", "--carry", "scroe:double"],
    ]);
    expect(JSON.parse(stdout)).toMatchObject({
      read_as: { "response is not read where responses stands beside it": 1 },
      empty_columns: ["in_scroe"],
    });
  });

  test("shows its state and is listed, found by a beginning of its name and as latest", async () => {
    const { stdout } = await expectExit(0, ["status", "latest", "--root", root, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ batch, state: "complete" });
    expect((await expectExit(0, ["status", batch.slice(0, 8)], { env: { ASSAY_ROOT: root } })).stdout).toContain(batch);
    expect((await expectExit(0, ["ls", "--root", root])).stdout).toContain(batch);
    await expectExit(0, ["wait", batch, "--root", root]);
  }, 60_000);
});

test("standard input is an input, and gives the batch that a file of the same bytes gives but for its label", async () => {
  const text = records.map((record) => JSON.stringify(record)).join("\n");
  const { stdout } = await expectExit(
    0,
    ["score", "-", "--root", join(folder, "stdin"), "--engine", "sim", "--principle", "correctness", "--json"],
    { input: text },
  );
  expect(JSON.parse(stdout.trim().split("\n").at(-1) ?? "")).toMatchObject({ rows: 20, ok: 20 });
}, 60_000);

describe("what is wrong is said with a code, a place and the next command", () => {
  const principle = ["--principle", "correctness"];

  test.each<[string, number, (at: { folder: string; root: string; input: string }) => string[], RegExp]>([
    ["an unknown verb", 2, () => ["scroe"], /E_USAGE[\s\S]*next/],
    ["no root", 2, ({ input: file }) => ["score", file, "--engine", "sim", ...principle], /E_USAGE[\s\S]*--root/],
    [
      "neither model nor profile",
      2,
      ({ input: file, root: at }) => ["submit", file, "--root", at, ...principle],
      /genrm-principle[\s\S]*yes-no/,
    ],
    [
      "a setting that there is not",
      2,
      ({ input: file }) => ["plan", file, "--model", "simulator", "--set", "temprature=0", ...principle],
      /E_PROFILE[\s\S]*temperature/,
    ],
    ["a batch that there is not", 2, ({ root: at }) => ["status", "nothing-like-it", "--root", at], /E_NO_SUCH_BATCH/],
    [
      "a worker without Redis",
      2,
      ({ root: at }) => ["worker", "--root", at, "--engine", "http://127.0.0.1:9"],
      /E_NO_REDIS[\s\S]*--redis/,
    ],
    [
      "a missing file",
      4,
      ({ folder: at }) => ["plan", join(at, "absent.jsonl"), "--model", "simulator", ...principle],
      /E_INPUT_MISSING[\s\S]*absent\.jsonl/,
    ],
    [
      "records without a principle",
      4,
      ({ input: file }) => ["plan", file, "--model", "simulator"],
      /E_INPUT_BAD[\s\S]*missing_principle[\s\S]*mine\.jsonl:1/,
    ],
    [
      "an engine that is not there",
      6,
      ({ input: file, root: at }) => ["score", file, "--root", at, "--engine", "http://127.0.0.1:9", ...principle],
      /E_ENGINE_UNREACHABLE[\s\S]*127\.0\.0\.1:9/,
    ],
    [
      "a Redis that is not there",
      6,
      ({ input: file, root: at }) => [
        "submit",
        file,
        "--root",
        `${at}-unqueued`,
        "--redis",
        "redis://127.0.0.1:9",
        "--model",
        "simulator",
        ...principle,
      ],
      /E_REDIS_UNAVAILABLE/,
    ],
  ])(
    "%s: exit %i",
    async (_name, code, args, message) => {
      const { stdout, stderr } = await expectExit(code, args({ folder, root, input }));
      expect(stderr).toMatch(message);
      expect(stderr).not.toMatch(/\n\s+at /);
      // a Redis that is away leaves the batch staged: its name is a result
      if (code !== 6) expect(stdout).toBe("");
    },
    60_000,
  );
});

test("a folder is read in natural order, and submit without Redis stages what a score of the root then finishes", async () => {
  const many = join(folder, "many");
  await mkdir(many);
  for (const n of [1, 2, 10]) {
    await writeFile(
      join(many, `part${n}.jsonl`),
      `${JSON.stringify({ prompt: `part ${n}`, response: "x", principle: "p" })}\n`,
    );
  }
  const at = join(folder, "staged");
  const staged = await expectExit(0, ["submit", many, "--root", at, "--model", "simulator"]);
  const name = staged.stdout.trim();
  expect(name).toMatch(/^many-[0-9a-f]{16}$/);
  expect(await readdir(join(at, name))).not.toContain("rewards");
  await expectExit(0, ["score", many, "--root", at, "--engine", "sim"]);
  const out = join(folder, "many.jsonl");
  await expectExit(0, ["export", name, out, "--root", at, "--text"]);
  const rows = (await readFile(out, "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { input: string; prompt: string });
  expect(rows.map((row) => row.input)).toEqual(["part1.jsonl", "part2.jsonl", "part10.jsonl"]);
  expect(rows.map((row) => row.prompt)).toEqual(["part 1", "part 2", "part 10"]);
}, 120_000);

test("a batch is paused with a reason, stays so for a score of it, is resumed with a weight, and is complete in the end", async () => {
  const at = ["--root", join(folder, "held")];
  const name = (
    await expectExit(0, ["submit", input, "--model", "simulator", "--principle", "p", ...at])
  ).stdout.trim();
  const state = async () => JSON.parse((await expectExit(0, ["status", name, "--json", ...at])).stdout) as object;
  await expectExit(0, ["pause", name, "--reason", "engines are away", ...at]);
  expect((await expectExit(0, ["pause", name, ...at])).stderr).toMatch(/was paused already, by .+ at .+/);
  expect(await state()).toMatchObject({ state: "paused", reason: "engines are away", weight: 1 });
  // a person's pause is no failure of the rows
  const refused = await expectExit(75, ["score", input, "--engine", "sim", "--principle", "p", ...at]);
  expect(refused.stderr).toMatch(/E_NOT_FINISHED.*[\s\S]*paused by .+: engines are away/);
  await expectExit(2, ["resume", name, "--weight", "1001", ...at]);
  await expectExit(0, ["resume", name, "--weight", "3", ...at]);
  expect(await state()).toMatchObject({ state: "running", weight: 3 });
  await expectExit(0, ["score", input, "--engine", "sim", "--principle", "p", ...at]);
  for (const verb of ["pause", "cancel", "resume"]) await expectExit(2, [verb, name, ...at]);
  expect(await state()).toMatchObject({ state: "complete" });
}, 120_000);

test("gc says what it would remove, removes it with --yes, and touches nothing else; ls --unplanned names what is no batch", async () => {
  const at = join(folder, "littered");
  await copyTree(root, at);
  const partial = join(at, batch, "partial", "000000");
  await mkdir(partial, { recursive: true });
  await writeFile(join(partial, "0123456789abcdef.start"), "x".repeat(1_500));
  const left = join(at, "left-0123456789abcdef", "rows");
  await mkdir(left, { recursive: true });
  await writeFile(join(left, "000000.jsonl.gz"), "abc");
  const before = await readdir(at, { recursive: true });
  const files = (await readdir(join(at, batch, "partial"), { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const told = await expectExit(0, ["gc", "--root", at]);
  expect(told.stdout).toBe(`${batch}/partial  ${files.length} files, 1.5 kB\n`);
  expect(told.stderr).toMatch(/would remove: .*assay gc --yes --root/);
  expect(await readdir(at, { recursive: true })).toEqual(before);
  await expectExit(0, ["gc", "--yes", "--root", at]);
  expect((await readdir(at, { recursive: true })).filter((name) => name.endsWith(".start"))).toEqual([]);
  expect(await readdir(left)).toEqual(["000000.jsonl.gz"]);
  expect((await expectExit(0, ["gc", "--yes", "--root", at])).stderr).toContain("nothing to remove");
  await expectExit(0, ["verify", batch, "--root", at]);

  const unplanned = await expectExit(0, ["ls", "--unplanned", "--json", "--root", at]);
  const found = JSON.parse(unplanned.stdout) as { modified: string };
  expect(found).toMatchObject({ folder: "left-0123456789abcdef", objects: 1, bytes: 3 });
  expect(Math.abs(Date.now() - Date.parse(found.modified))).toBeLessThan(3_600_000);
  expect(unplanned.stderr).toContain(`rm -r '${at}/left-0123456789abcdef/'`);
  expect((await expectExit(0, ["ls", "--unplanned", "--root", root])).stderr).toContain("every folder");
}, 120_000);

test("the demo ends well twice, says that its rewards are no judgements, and names the next commands", async () => {
  const at = join(folder, "demo");
  const first = await expectExit(0, ["demo", "--root", at]);
  const said = first.stdout + first.stderr;
  expect(said).toMatch(/not judgements|no judgements/i);
  expect(said).toMatch(/assay verify/);
  await expectExit(0, ["demo", "--root", at]);
  await expectExit(0, ["verify", "latest", "--root", at]);
}, 180_000);

test("the doctor says of a simulated engine and a root that all is well, and of a dead one that it is not", async () => {
  await expectExit(0, ["doctor", "--root", root]);
  const { code } = await runAssay(["doctor", "--engine", "http://127.0.0.1:9"]);
  expect(code).toBe(6);
}, 60_000);

async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (entry.isDirectory()) await copyTree(join(from, entry.name), join(to, entry.name));
    else await writeFile(join(to, entry.name), await readFile(join(from, entry.name)));
  }
}
