import { engineAgentOptions, openEngines } from "@assay/engine/openai";
import { type Simulator, type SimulatorOptions, startSimulator } from "@assay/simulator";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Agent } from "undici";
import { allCases } from "./all-cases.ts";
import { type EngineUnderTest, maxModelLen, model } from "./engine-under-test.ts";

/**
 * The cases that a real vLLM passed (`npm run test:vllm`), against the simulator: where the two differ, the simulator
 * is wrong.
 */

// fast, but slow enough that rows in flight can be seen on a machine that does much else
const options: SimulatorOptions = { model, maxModelLen, reasoningTokens: 7, tokensPerSecond: 300 };
const apiKey = "not-a-secret";

const agent = new Agent(engineAgentOptions());
const simulators: Simulator[] = [];
const engines = new Map<string, EngineUnderTest>();

beforeAll(async () => {
  engines.set("plain", await start(options, null));
  engines.set("tuned", await start({ ...options, ...tuned, apiKey }, apiKey));
});
const tuned: SimulatorOptions = {
  reasoningParser: true,
  promptTokensDetails: true,
  logprobsMode: "processed",
  slots: 2,
};

afterAll(async () => {
  for (const engine of engines.values()) await engine.engines.close();
  await agent.close();
  for (const simulator of simulators) await simulator.close();
});

test.each(allCases.map((one) => [one.on, one.holds, one] as const))("%s: %s", async (on, _holds, { run }) => {
  const engine = engines.get(on);
  if (engine === undefined) throw new Error("not started");
  await expect(run(engine)).resolves.toEqual(expect.any(String));
});

async function start(settings: SimulatorOptions, key: string | null): Promise<EngineUnderTest> {
  const simulator = await startSimulator(settings);
  simulators.push(simulator);
  const { url } = simulator;
  return {
    url,
    apiKey: key,
    engines: openEngines({ urls: [url], agent, apiKey: key, inFlight: 4, onWarning: () => {} }),
    async fill() {
      simulator.setFaults({ status503: true });
      return async () => simulator.setFaults({});
    },
    stop() {
      simulator.setFaults({ status503: true });
      setTimeout(() => simulator.setFaults({ engineDead: true }), 100);
      setTimeout(() => simulator.close(), 200);
    },
  };
}
