import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ResultRow, type ShardMetadata, shardKey, toAssayError } from "@assay/core";
import { decodeShard, encodeShard } from "@assay/datasets";
import { inProcessQueue } from "@assay/queue/in-process";
import { type Simulator, startSimulator } from "@assay/simulator";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { chooseModel } from "../src/choose-profile.ts";
import { commandLine } from "../src/command-line.ts";
import { explanationLines } from "../src/explanation-lines.ts";
import type { PlanFlags } from "../src/flags.ts";
import { openNamedEngines } from "../src/open-engines.ts";
import { openInputs } from "../src/open-inputs.ts";
import { openStore } from "../src/open-store.ts";
import { runHere } from "../src/open-worker.ts";
import { planInputs } from "../src/plan-inputs.ts";
import { program } from "../src/program.ts";
import { stagePlan } from "../src/stage-plan.ts";
import { untypedFlags } from "./plan-flags.ts";

/** The verb as it is typed, on a batch that a simulated engine has scored into a local root. */

const records = [
  { id: "one", prompt: "What is 1+1? \u001b[31m", response: "1+1=2", principles: ["correctness", "brevity"] },
  { id: "two", prompt: "What is 2+2?", response: "<think>hm</think>It is 4. <|im_end|>", principle: "correctness" },
  { id: "3", prompt: "What is 3+3?", response: "<think>six", principle: "correctness" },
];
const keep: PlanFlags = { ...untypedFlags, stripReasoning: "auto", maxBad: 1, maxFailed: 1 };

let folder = "";
let root = "";
let simulator: Simulator;
let batch = "";
const never = new AbortController().signal;

/** Plans, stages and works as `score` does, with a queue in this process. */
async function score(flags: Partial<PlanFlags>): Promise<string> {
  const store = await openStore(root);
  const inputs = await openInputs([join(folder, "mine.jsonl")], { signal: never });
  const engines = await openNamedEngines({ engine: [simulator.url], inFlight: 8 }, undefined);
  const queue = inProcessQueue("explain");
  try {
    const all = { ...keep, ...flags };
    const planned = await planInputs(null, inputs, all, await chooseModel(all, async () => ["simulator"]));
    const { file, rootId } = await stagePlan(store, planned, inputs, never);
    const signals = { drain: never, abort: never, close() {} };
    const options = { model: file.model, only: file.batch, untilIdle: true, drainMs: 0, signals, onEvent() {} };
    await runHere({ store, rootId, queue, engines }, options);
    return file.batch;
  } finally {
    await queue.close();
    await engines.close();
    await inputs.close();
  }
}

let stdout = "";
let stderr = "";
async function explain(...words: string[]): Promise<void> {
  await program(["node", "assay", "explain", ...words, "--root", root]);
}
async function explained(...words: string[]) {
  await explain(...words, "--json");
  return JSON.parse(stdout);
}
async function refusal(...words: string[]) {
  return toAssayError(
    await explain(...words).then(
      () => new Error("it ended well"),
      (thrown: unknown) => thrown,
    ),
  );
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-explain-"));
  root = join(folder, "root");
  await writeFile(
    join(folder, "mine.jsonl"),
    `${records.map((record) => JSON.stringify(record)).join("\n")}\nnot JSON\n`,
  );
  simulator = await startSimulator({ reasoningTokens: 40 });
  batch = await score({ keepReasoning: "all" });
}, 120_000);
afterAll(async () => {
  await simulator?.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  stdout = "";
  stderr = "";
  jest.spyOn(process.stdout, "write").mockImplementation((text) => {
    stdout += String(text);
    return true;
  });
  jest.spyOn(process.stderr, "write").mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
});
afterEach(() => {
  jest.restoreAllMocks();
});

async function storedRows(): Promise<ResultRow[]> {
  return (await decodeShard(await readFile(join(root, shardKey(batch, 0))))).rows;
}

describe("assay explain", () => {
  test("says of a scored row what the shard says of it, and the key of the request made anew is the stored one", async () => {
    const [row] = await storedRows();
    const told = await explained(batch, "0");
    expect(told).toMatchObject({ batch, row_index: 0, id: "one", simulated: true });
    expect(told.request).toMatchObject({ row_key: row!.row_key, row_key_is_stored: true });
    expect(told.result).toMatchObject({
      status: "ok",
      reward: row!.reward,
      logprob_yes: row!.logprob_yes,
      logprob_no: row!.logprob_no,
      reward_is_arithmetic: true,
    });
    expect(told.result.arithmetic.at(-1)).toBe(String(row!.reward));
    expect(told.others.map(({ outcomes }: { outcomes: { reward: number }[] }) => outcomes[0]?.reward)).toEqual([
      row!.reward,
      row!.reward,
      row!.reward,
    ]);
    expect(told.reasoning.end).toMatch(/Final Judgement: (Yes|No)$/);
  });

  test.each([
    ["two-step", "62 in, 700 out; 688 cached in the second request, of prompt and answer"],
    ["ids", "62 in (688 cached), 700 out"],
    ["top", "62 in (688 cached), 700 out"],
    [null, "62 in, 700 out; 688 cached in the last request"],
  ])("read by %s, counts what was cached to the request whose prompt it was", async (read, tokens) => {
    const told = await explained(batch, "0");
    const result = { ...told.result, read, prompt_tokens: 62, cached_tokens: 688, completion_tokens: 700 };
    const line = (of: object) => explanationLines({ ...told, result: of }, undefined, false).join("\n");
    expect(line(result)).toMatch(new RegExp(`^  tokens +${tokens.replace(/[()]/g, "\\$&")}$`, "m"));
    expect(line({ ...result, cached_tokens: null })).toMatch(/^ {2}tokens +62 in, 700 out$/m);
  });

  test("shows people the same, no text of the conversation, and how to get it", async () => {
    const [row] = await storedRows();
    await explain("latest", "0");
    expect(stdout).toContain(`= ${row!.reward}\n`);
    expect(stdout).toContain(`${row!.row_key}, made anew: the stored one`);
    expect(stdout).toContain("--text shows them, and the request as curl");
    expect(stdout).not.toContain("1+1");
    expect(stderr).toBe("");
  });

  test("with --text: nothing in it can move the cursor, and the curl sends the stored request", async () => {
    await explain(batch, "0", "--text");
    expect(stdout).toContain("│ What is 1+1? \\u001b[31m");
    expect(stdout).not.toMatch(/[^\n -~\u00a0-\u200a\u2010-\u2027\u2030-\u2059\u2070-\ufffd]/);
    // what curl would have sent, after a real shell has read it
    const script = `curl() { cat; }\n${stdout.slice(stdout.indexOf("curl -sS"))}`;
    const { status, stdout: sent } = spawnSync("sh", ["-c", script], { encoding: "utf8" });
    expect(status).toBe(0);
    expect(JSON.parse(sent)).toMatchObject({
      model: "simulator",
      messages: [
        { role: "user", content: "What is 1+1? \u001b[31m" },
        { role: "assistant", content: "1+1=2" },
        { role: "principle", content: "correctness" },
      ],
    });
  });

  test("counts what was broken up and cut off", async () => {
    expect((await explained(batch, "two")).request).toMatchObject({ neutralised: 1, stripped_chars: 17 });
  });

  test("of a row that was never asked, and of a bad record, it says why", async () => {
    await explain(batch, "3", "--id");
    expect(stdout).toMatch(/status {8}no_response: .*\n {2}error {9}E_NO_RESPONSE/);
    expect(stdout).toContain("none, as stored: the row was not asked");
    stdout = "";
    await explain(batch, "4");
    expect(stdout).toMatch(/status {8}bad_input: .*\n.*mine\.jsonl:4/);
  });

  test("an id with several rows is a question: which one (exit 2)", async () => {
    const refused = await refusal(batch, "one");
    expect(refused).toMatchObject({ code: "E_USAGE", exit: 2, message: "this id names 2 rows" });
    expect(stderr).toMatch(/row_index +reward +principle\n +0 +\S+ +correctness\n +1 +\S+ +brevity\n/);
    expect(stdout).toBe("");
  });

  test.each([
    ["5", "from 0 to 4"],
    ["nobody", "an id"],
  ])("a row that is not there is exit 2: %s", async (word, expected) => {
    const refused = await refusal(batch, word);
    expect(refused.exit).toBe(2);
    expect(refused.expected).toContain(expected);
  });

  test("of a truncated row: what it means, what to do, and that the card's number is not known", async () => {
    // no room for the longest answer's last line; the probe's own rows still end
    const [longest] = (await storedRows()).sort((a, b) => (b.completion_tokens ?? 0) - (a.completion_tokens ?? 0));
    const short = await score({ set: [`max_tokens=${(longest!.completion_tokens ?? 0) - 8}`], name: "short" });
    await explain(short, String(longest!.row_index));
    expect(stdout).toMatch(/status {8}truncated: .*token budget/);
    expect(stdout).toContain("--set max_tokens=N");
    expect(stdout).toMatch(/model card .*\n +not known from what is stored/);
    expect(stdout).toMatch(/RLHF environment .*\n +0\n/);
    expect(stdout).not.toContain("the reward\n");
  }, 60_000);
});

describe("assay explain --engine", () => {
  test("asks again: the rendered prompt, the ids around the verdict, both ways beside the stored one", async () => {
    const [row] = await storedRows();
    const told = await explained(batch, "0", "--engine", simulator.url, "--text");
    const { again } = told;
    expect(again.prompt).toMatch(
      /^<\|im_start\|>user\nWhat is 1\+1\?[\s\S]*<\|im_start\|>principle\ncorrectness<\|im_end\|>\n/,
    );
    // the same simulated weights asked the same say the same
    expect(again.readings.map(({ way, reward }: { way: string; reward: number }) => [way, reward])).toEqual([
      ["ids", row!.reward],
      ["two-step", row!.reward],
    ]);
    const marked = again.tokens.filter((token: { is_verdict: boolean }) => token.is_verdict);
    expect(marked).toEqual([expect.objectContaining({ position: again.verdict_at, text: row!.answer })]);
    expect(again.tokens.at(-1)).toMatchObject({ text: "<|im_end|>" });
    expect(again.others[0].outcomes).toEqual([{ reward: row!.reward, when: [] }]);
  }, 60_000);

  test("says that a fresh answer may differ, and shows no prompt without --text", async () => {
    await explain(batch, "0", "--engine", simulator.url);
    expect(stdout).toContain("temperature 0.6: this is a fresh answer, and its reward may differ from the stored one");
    expect(stdout).toMatch(/\n {4}> {2}\d+ +\d+ +" (Yes|No)"\n/);
    expect(stdout).not.toContain("1+1");
    expect(stderr).toContain("may take minutes");
  }, 60_000);

  test("never asks a simulated engine for a row of a real one (exit 2)", async () => {
    await pretendReal();
    const asked = simulator.stats.requests;
    expect(await refusal(batch, "0", "--engine", simulator.url)).toMatchObject({ code: "E_SIMULATED_MIX", exit: 2 });
    expect(simulator.stats.requests).toBe(asked);
  });
});

test("a row whose key is not that of what it asks, or whose reward is not its own, is exit 7 after all is said", async () => {
  const path = join(root, shardKey(batch, 0));
  const { rows, metadata } = await decodeShard(await readFile(path));
  const [first, second] = rows;
  first!.row_key = "0".repeat(64);
  second!.reward = (second!.reward ?? 0) + 0.001;
  await writeFile(path, encodeShard(rows, metadata as unknown as ShardMetadata, []));
  expect(await refusal(batch, "0")).toMatchObject({
    code: "E_BROKEN",
    exit: 7,
    next: commandLine(["verify", batch], root),
  });
  expect(stdout).toContain("NOT the stored one");
  expect(await refusal(batch, "1")).toMatchObject({ code: "E_BROKEN", exit: 7 });
  expect(stdout).toContain("NOT the stored reward");
});

/** The pin says which kind of engine began a batch. */
async function pretendReal(): Promise<void> {
  const path = join(root, batch, "pin.json");
  await writeFile(path, (await readFile(path, "utf8")).replace('"simulated":true', '"simulated":false'));
}
