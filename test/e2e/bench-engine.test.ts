import { startSimulator } from "@assay/simulator";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { runAssay, startAssay } from "./run-assay.ts";

/** `assay bench engine` against a small simulated engine: 20,000 tokens of KV cache, some 38 rows. */

let simulator: Awaited<ReturnType<typeof startSimulator>>;

beforeAll(async () => {
  simulator = await startSimulator({
    reasoningTokens: 20,
    tokensPerSecond: 2_000,
    engineTokensPerSecond: 20_000,
    prefillTokensPerSecond: 100_000,
    maxModelLen: 20_000,
    kvBlocks: 1_250,
    promptTokensDetails: true,
  });
});

afterAll(() => simulator.close());

const bench = (...flags: string[]) => ["bench", "engine", "--engine", simulator.url, "--rows", "6", ...flags];

test("one JSON object: the readings, rows in flight, and what follows; the plan is told before it is sent", async () => {
  const { code, stdout, stderr } = await runAssay(bench("--rounds", "1", "--json"));
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stderr).toMatch(/will send [\d,]+ rows of [\d,]+ prompt and [\d,]+ answer tokens, [\d,]+ requests: about/);
  const told = JSON.parse(stdout);
  expect(told).toMatchObject({
    simulated: true,
    profile: "genrm-principle",
    kv_tokens: 20_000,
    measured: 7,
    planned: 7,
  });
  const names = (lines: { name: string }[]) => lines.map(({ name }) => name);
  expect(names(told.reading)).toEqual(["no log-probabilities", "two-step", "ids", "a seed in each request"]);
  const inFlight = told.in_flight.map((line: { in_flight: number }) => line.in_flight);
  expect(inFlight[2]).toBe(2 * told.capacity);
  expect(inFlight[0]).toBe(Math.round(told.capacity / 2));
  for (const line of [...told.reading, ...told.in_flight]) {
    expect(line).toMatchObject({ failed: 0, failure: null });
    expect(line.tokens_per_second).toBeGreaterThan(0);
    expect(line.preemptions_per_row).not.toBeNull();
  }
  // nothing is shared but within a row, and below what the cache holds all of that is found
  expect(told.reading[1].cached_share).toBeGreaterThan(0.9);
  expect(told.advice).toHaveLength(3);
}, 120_000);

test("Ctrl-C prints what was measured, and says that it is not all: exit 75", async () => {
  const { child, ended } = startAssay(bench("--rounds", "50"));
  let said = "";
  child.stderr?.on("data", (text: string) => {
    const before = said;
    said += text;
    if (!before.includes("2/") && said.includes("2/")) child.kill("SIGINT");
  });
  const { code, stdout, stderr } = await ended;
  expect({ code, stderr }).toMatchObject({ code: 75 });
  expect(stdout).toMatch(/stopped: \d+ of 350 measurements/);
  expect(stdout).toContain("no log-probabilities");
  expect(stdout).toContain("a simulated engine");
}, 120_000);

test("no engine, or two, is a mistake that names the way out", async () => {
  const { code, stderr } = await runAssay(["bench", "engine"]);
  expect(code).toBe(2);
  expect(stderr).toContain("assay bench engine --help");
}, 60_000);
