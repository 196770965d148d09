import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { exitCode, toAssayError } from "@assay/core";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Command } from "commander";
import { commands, program } from "../src/program.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-program-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function refusal(...words: string[]): Promise<{ code: string; exit: number; text: string }> {
  const error = toAssayError(
    await program(["node", "assay", ...words]).then(
      () => new Error("it ended well"),
      (thrown: unknown) => thrown,
    ),
  );
  const { code, exit, message, expected, got, next } = error;
  return { code, exit, text: [message, expected, got, next].join(" ") };
}

const input = fileURLToPath(new URL("../../../examples/helpfulness.jsonl", import.meta.url));
const recipe = fileURLToPath(new URL("../../../examples/recipes/rm-bench.json", import.meta.url));

describe("what is typed wrongly is exit 2 and says what was meant", () => {
  test.each<[string, string[], string]>([
    ["a verb that is none", ["scoer"], "score"],
    ["a flag that is none", ["ls", "--rot", "x"], "--root"],
    ["no input", ["plan"], "input"],
    ["no engine", ["score", "x.jsonl", "--root", "r"], "--engine"],
    ["a share above 1", ["plan", "x.jsonl", "--max-bad", "5"], "5%"],
    ["a share that is no number", ["plan", "x.jsonl", "--max-failed", "few"], "few"],
    ["a count below 1", ["plan", "x.jsonl", "--limit", "0"], "1 or more"],
    ["a seed that is no integer", ["plan", "x.jsonl", "--seed", "1.5"], "whole"],
    ["a file of another kind", ["export", "latest", "out.xlsx"], "FILE.parquet"],
    ["neither model nor profile", ["plan", "x.jsonl"], "genrm-principle"],
    ["a profile without a model", ["submit", "x.jsonl", "--root", "r", "--profile", "yes-no"], "--model NAME"],
    [
      "two ways to choose principles",
      ["plan", input, "--model", "simulator", "--recipe", recipe, "--principle", "x"],
      "--recipe",
    ],
    ["a benchmark that is none", ["eval", "mt-bench", "latest"], "judgebench"],
    ["batches and a score file", ["eval", "labels", "latest", "--scores", "x.jsonl"], "--scores FILE"],
    ["a simulated engine that could not start", ["sim", "--kv-blocks", "5"], "blocks"],
    ["a simulated engine larger than this machine", ["sim", "--max-model-len", "9007199254740991"], "at most"],
    ["an address of another machine", ["sim", "--host", "203.0.113.1"], "EADDRNOTAVAIL"],
    ["a root that is no place", ["ls", "--root", "ftp://x/y"], "s3://bucket/prefix"],
    ["a bucket with a slip of the finger", ["ls", "--root", "s3:/bucket/runs"], "s3://bucket/prefix"],
  ])("%s", async (_, words, text) => {
    const refused = await refusal(...words);
    expect(refused.exit).toBe(exitCode.usage);
    expect(refused.text).toContain(text);
  });
});

test("an input that is not there is exit 4", async () => {
  const missing = join(folder, "nope.jsonl");
  expect(await refusal("plan", missing, "--model", "simulator")).toMatchObject({ code: "E_INPUT_MISSING", exit: 4 });
});

test("a batch that is not there is exit 2, with where to look", async () => {
  expect(await refusal("status", "nope", "--root", folder)).toMatchObject({ code: "E_NO_SUCH_BATCH", exit: 2 });
});

test("a worker without Redis is refused", async () => {
  const before = process.env.REDIS_URL;
  delete process.env.REDIS_URL;
  try {
    expect(await refusal("worker", "--root", folder, "--engine", "sim")).toMatchObject({ code: "E_NO_REDIS", exit: 2 });
  } finally {
    if (before !== undefined) process.env.REDIS_URL = before;
  }
});

test("the help of a flag tells one default, and no list in brackets", () => {
  const below = (command: Command): Command[] => [command, ...command.commands.flatMap(below)];
  for (const command of below(commands())) {
    const help = command.createHelp();
    for (const option of command.options) {
      const told = help.optionDescription(option);
      expect(told).not.toContain("[]");
      expect(told.split("(default").length).toBeLessThanOrEqual(2);
    }
    expect(command.helpInformation()).not.toContain("[]");
  }
});
