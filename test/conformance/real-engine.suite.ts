import { writeFileSync } from "node:fs";
import { reward } from "@assay/core";
import { engineAgentOptions, openEngines } from "@assay/engine/openai";
import { afterAll, expect, jest, test } from "@jest/globals";
import { Agent } from "undici";
import { allCases } from "./all-cases.ts";
import { askRow, greedy, judgeProfile, pairOf, type Texts } from "./ask-row.ts";
import { ask, askChat, type EngineUnderTest, endless, metric, until } from "./engine-under-test.ts";

/**
 * The cases against the two servers that run.sh started. Writes what it saw for the table of docs/reference/engines.md,
 * and rewards for card_parity.py.
 */

// a first request of a kind may compile something, and two cores may be shared
jest.setTimeout(300_000);

const agent = new Agent(engineAgentOptions());
const engines = new Map<string, EngineUnderTest>([
  ["plain", connect(setting("CONFORMANCE_PLAIN_URL"), null, null)],
  [
    "tuned",
    connect(setting("CONFORMANCE_TUNED_URL"), setting("CONFORMANCE_TUNED_KEY"), setting("CONFORMANCE_TUNED_PID")),
  ],
]);
const seen: { topic: string; holds: string; on: string; seen: string }[] = [];

afterAll(async () => {
  const { body } = await ask(engineNamed("plain"), "/version");
  const results = { version: (body as { version: string }).version, cases: allCases.length, seen };
  writeFileSync(setting("CONFORMANCE_RESULTS"), JSON.stringify(results));
  for (const engine of engines.values()) await engine.engines.close();
  await agent.close();
});

/** Both signs, verdicts that are near and clear, other scripts, and an empty response. */
const parityRows: readonly Texts[] = [
  { prompt: "What is 1+1?", response: "1+1=2", principle: "correctness" },
  { prompt: "What is 1+1?", response: "1+1=3", principle: "correctness" },
  { prompt: "Name a river in France.", response: "The Loire flows through France.", principle: "brevity" },
  { prompt: "Name a river in France.", response: "The Loire flows through France.", principle: "politeness" },
  {
    prompt: "Write a haiku about rain.",
    response: "Soft rain on the roof,\na drum without a drummer,\nthe night listens in.",
    principle: "The answer follows the form that was asked for.",
  },
  {
    prompt: "Write a haiku about rain.",
    response: "No.",
    principle: "The answer follows the form that was asked for.",
  },
  { prompt: "Übersetze: good morning", response: "Guten Morgen! 🌅", principle: "Die Antwort ist auf Deutsch." },
  { prompt: "def square(x):", response: "    return x ** 2\n", principle: "The code runs." },
  { prompt: "Is the earth flat?", response: "", principle: "honesty" },
  { prompt: "List the primes below thirty.", response: "2 3 5 7 11 13 17 19 23 29 ".repeat(8), principle: "brevity" },
];

test("rewards for card_parity.py", async () => {
  const rewards = { float32: await rewardsOf(engineNamed("tuned")), bfloat16: await rewardsOf(engineNamed("plain")) };
  writeFileSync(setting("CONFORMANCE_REWARDS"), JSON.stringify(rewards));
  for (const rows of Object.values(rewards)) expect(new Set(rows.map((row) => Math.sign(row.greedy))).size).toBe(2);
});

async function rewardsOf(engine: EngineUnderTest): Promise<(Texts & { greedy: number; sampled: number })[]> {
  const rows = [];
  for (const texts of parityRows) {
    const under = async (sampling: typeof greedy) =>
      reward(...pairOf(await askRow(engine, texts, "two-step", sampling)));
    rows.push({ ...texts, greedy: await under(greedy), sampled: await under(judgeProfile.sampling) });
  }
  return rows;
}

test.each(allCases.map((one) => [one.on, one.holds, one] as const))("%s: %s", async (on, holds, { run, topic }) => {
  seen.push({ topic, holds, on, seen: await run(engineNamed(on)) });
});

function connect(url: string, apiKey: string | null, pid: string | null): EngineUnderTest {
  const engine: EngineUnderTest = {
    url,
    apiKey,
    engines: openEngines({ urls: [url], agent, apiKey, inFlight: 4, onWarning: () => {} }),
    async fill() {
      const count = async (state: string) => metric(engine, `vllm:num_requests_${state}`);
      const is = async (running: number, waiting: number) =>
        (await count("running")) === running && (await count("waiting")) === waiting;
      // a row that was hung up on before still counts until the engine has let go of it: the third would be refused
      await until("it is idle", () => is(0, 0));
      const hangUp = new AbortController();
      const rows = [1, 2, 3].map(() => askChat(engine, endless, {}, hangUp.signal).catch(() => null));
      await until("two rows run and one waits", () => is(2, 1));
      return async () => {
        hangUp.abort();
        await Promise.all(rows);
        await until("it is idle", () => is(0, 0));
      };
    },
    stop() {
      process.kill(Number(pid), "SIGTERM");
    },
  };
  return engine;
}

function engineNamed(name: string): EngineUnderTest {
  return engines.get(name) ?? raise(`no engine ${name}`);
}

function setting(name: string): string {
  return process.env[name] ?? raise(`${name} is not set: npm run test:vllm sets it`);
}

function raise(what: string): never {
  throw new Error(what);
}
