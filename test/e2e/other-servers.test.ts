import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeShard } from "@assay/datasets";
import { type Simulator, type SimulatorOptions, startSimulator } from "@assay/simulator";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { expectExit } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

/** What a person sees on a server that knows less than vLLM, from the doctor to the rewards. */

let folder: string;
let input: string;
const simulators: Simulator[] = [];

beforeAll(async () => {
  folder = await tempFolder();
  input = join(folder, "mine.jsonl");
  const records = Array.from({ length: 20 }, (_, i) => ({ prompt: `What is ${i}+2?`, response: `It is ${i + 2}.` }));
  await writeFile(input, records.map((record) => JSON.stringify(record)).join("\n"));
});

afterAll(async () => {
  for (const simulator of simulators) await simulator.close();
});

async function server(options: SimulatorOptions): Promise<string> {
  const simulator = await startSimulator({ reasoningTokens: 30, ...options });
  simulators.push(simulator);
  return simulator.url;
}

const topOnly = { knows: { logprobTokenIds: false, returnTokenIds: false, tokenize: false }, maxLogprobs: 5 };

test("the doctor says which way a server of lists is read in, why, what it costs, and what cannot be checked", async () => {
  const { stdout } = await expectExit(0, ["doctor", "--engine", await server(topOnly)]);
  expect(stdout).toMatch(/ way +a list of the likeliest tokens \(top_logprobs 5\): .* costs: 0\.29 to 0\.33/);
  expect(stdout).toContain("measured on vLLM 0.32, CPU build");
  expect(stdout).toMatch(/row text stays text +not checked/);
  expect(stdout).toMatch(/rows' prompts +do not come back/);
}, 60_000);

test("a way that is insisted on and does not work is refused, naming it", async () => {
  const { stderr } = await expectExit(6, ["doctor", "--engine", await server(topOnly), "--read", "ids"]);
  expect(stderr).toContain("ids, which is insisted on");
}, 60_000);

test("score --read top: every row has a reward, read from the list", async () => {
  const root = join(folder, "root");
  const flags = ["--root", root, "--principle", "correctness", "--read", "top", "--json"];
  const { stdout } = await expectExit(0, ["score", input, "--engine", await server(topOnly), ...flags]);
  const { batch, ok } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { batch: string; ok: number };
  expect(ok).toBe(20);
  const { rows } = await decodeShard(await readFile(join(root, batch, "rewards", "000000.parquet")));
  expect(new Set(rows.map(({ read }) => read))).toEqual(new Set(["top"]));
  expect(JSON.parse(await readFile(join(root, batch, "pin.json"), "utf8"))).toMatchObject({ read: "top", top: 5 });
  await expectExit(0, ["verify", batch, "--root", root]);
}, 120_000);

test("a server that refuses role principle gets the profile's plain text, and its rewards are the template's", async () => {
  const rewards = async (options: SimulatorOptions, name: string): Promise<unknown> => {
    const root = join(folder, name);
    const { stdout } = await expectExit(0, [
      ...["score", input, "--engine", await server(options), "--root", root, "--principle", "short", "--json"],
      ...["--set", "temperature=0"],
    ]);
    const { batch } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { batch: string };
    const { rows } = await decodeShard(await readFile(join(root, batch, "rewards", "000000.parquet")));
    return rows.map(({ row_index, row_key, reward }) => ({ row_index, row_key, reward }));
  };
  expect(await rewards({ knows: { principleRole: false } }, "plain")).toEqual(await rewards({}, "template"));
}, 120_000);
