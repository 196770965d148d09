import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { expectExit } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/** Two files grow to three: what was scored is kept, and the person is told before it is paid for again. */
test("--reuse keeps what an earlier batch scored, and submit says where that is", async () => {
  const folder = await tempFolder();
  const root = join(folder, "root");
  const file = async (name: string, from: number): Promise<string> => {
    const path = join(folder, name);
    const records = Array.from({ length: 6 }, (_, i) => ({ prompt: `What is ${from + i}+1?`, response: `${i}` }));
    await writeFile(path, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
    return path;
  };
  const inputs = [await file("a.jsonl", 0), await file("b.jsonl", 10)];
  const flags = ["--root", root, "--principle", "correctness"];
  const last = (stdout: string) =>
    JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { batch: string; rows: number };
  const first = last((await expectExit(0, ["score", ...inputs, ...flags, "--engine", "sim", "--json"])).stdout);

  inputs.push(await file("c.jsonl", 20));
  const model = ["--model", "simulator"];
  const told = await expectExit(0, ["submit", ...inputs, ...flags, ...model]);
  expect(told.stderr).toContain(`${first.batch} has scored 2 of 3 inputs`);
  expect(told.stderr).toContain(`--reuse ${first.batch}`);

  const planned = await expectExit(0, [
    "plan",
    ...inputs,
    ...flags,
    ...model,
    "--reuse",
    first.batch.slice(0, -3),
    "--json",
  ]);
  expect(JSON.parse(planned.stdout)).toMatchObject({ reuse: [first.batch], rows: 18, equal_rows: 0 });

  const second = last(
    (await expectExit(0, ["score", ...inputs, ...flags, "--engine", "sim", "--reuse", first.batch, "--json"])).stdout,
  );
  const out = join(folder, "out.jsonl");
  await expectExit(0, ["export", second.batch, out, "--root", root]);
  await expectExit(0, ["verify", second.batch, "--root", root]);
  const sources = (await readFile(out, "utf8"))
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { source: string }).source);
  expect(sources).toEqual([
    ...Array.from({ length: 12 }, () => `reused:${first.batch}`),
    ...Array.from({ length: 6 }, () => "scored"),
  ]);
}, 120_000);

test("a batch that is not there, or no root at all, is told before anything is read", async () => {
  const folder = await tempFolder();
  const input = join(folder, "a.jsonl");
  await writeFile(input, `${JSON.stringify({ prompt: "p", response: "r", principle: "q" })}\n`);
  const plain = await expectExit(2, ["plan", input, "--model", "simulator", "--reuse", "x"], { env: {} });
  expect(plain.stderr).toContain("--reuse names batches of a root");
  const missing = await expectExit(2, ["plan", input, "--model", "simulator", "--root", folder, "--reuse", "x"]);
  expect(missing.stderr).toContain("E_NO_SUCH_BATCH");
}, 60_000);
