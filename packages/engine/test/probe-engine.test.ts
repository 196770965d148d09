import type { Profile } from "@assay/core";
import { type SimulatorOptions, startSimulator } from "@assay/simulator";
import { describe, expect, test } from "@jest/globals";
import { Agent } from "undici";
import { createEngineClient, type EngineClient, type HttpAnswer } from "../src/engine-client.ts";
import { type Engines, openEngines } from "../src/open-engines.ts";
import { type EngineReport, probeEngine } from "../src/probe-engine.ts";
import { probeServing } from "../src/probe-serving.ts";
import { engineAgentOptions } from "../src/undici-fetch.ts";
import { clients, genrm, named } from "./client-under-test.ts";

/** The probe against the simulator, healthy and in every way in which a real server differs from what a profile needs. */

const { open } = clients();

async function engines(options: SimulatorOptions = {}, apiKey: string | null = null): Promise<Engines> {
  const simulator = await startSimulator(options);
  const agent = new Agent(engineAgentOptions());
  const opened = openEngines({ urls: [simulator.url], agent, apiKey, inFlight: 4, onWarning: () => {} });
  open.push({ close: () => simulator.close() }, { close: () => agent.destroy() }, opened);
  return opened;
}

async function failedCheck(opened: Engines, profile: Profile = genrm, model = "simulator") {
  const [report] = await opened.examine(profile, model);
  return report?.checks.find(({ ok }) => !ok);
}

/** The probe on a healthy engine, seen through something that changes what is asked or answered. */
async function probeThrough(
  between: (
    path: string,
    body: object,
    ask: (path: string, body: object) => Promise<HttpAnswer>,
  ) => Promise<HttpAnswer>,
  options: SimulatorOptions = {},
): Promise<EngineReport> {
  const simulator = await startSimulator(options);
  const agent = new Agent(engineAgentOptions());
  open.push({ close: () => simulator.close() }, { close: () => agent.destroy() });
  const client = createEngineClient({ url: simulator.url, agent, apiKey: null });
  const changed: EngineClient = {
    ...client,
    ask: (path, body, limitMs) =>
      body === undefined
        ? client.ask(path, body, limitMs)
        : between(path, body as object, (to, what) => client.ask(to, what, limitMs)),
  };
  return probeEngine(changed, genrm, "simulator", null, new AbortController().signal);
}

test("an answer that reaches the token budget is laid to the budget, not to the engine", async () => {
  const small = { ...genrm, max_tokens: 20 };
  expect(await failedCheck(await engines(), small)).toMatchObject({
    name: "reading the verdict",
    expected: expect.stringContaining("max_tokens, 20"),
    next: expect.stringContaining("--set max_tokens=40"),
  });
});

test("a healthy engine passes every check and is known by what was found", async () => {
  const opened = await engines();
  expect(await opened.models()).toEqual([{ origin: opened.pool.origins[0], models: ["simulator"], simulated: true }]);
  const { facts, profile } = await opened.probe(genrm, "simulator", "r1");
  expect(profile).toEqual(genrm);
  expect(facts).toMatchObject([
    {
      model: "simulator",
      version: "0.32.0-simulated",
      maxModelLen: 32_768,
      ways: ["two-step", "ids"],
      pin: {
        model: "simulator",
        revision: "r1",
        template: expect.stringMatching(/^[0-9a-f]{64}$/),
        logprobs: "raw",
        simulated: true,
        delimiters: [
          { id: 151644, per_turn: 1, extra: 1, extra_system: 1 },
          { id: 151645, per_turn: 1, extra: 0, extra_system: 0 },
        ],
      },
    },
  ]);
});

test.each(["status503", "error500", "cutBody", "notJson"] as const)(
  "what passes within seconds is no engine that cannot read: %s five times",
  async (fault) => {
    const opened = await engines({ faults: { [fault]: 5 } });
    expect(await failedCheck(opened)).toBe(undefined);
  },
  30_000,
);

test("the same engine has the same pin each time", async () => {
  const opened = await engines();
  const [first, second] = [await opened.probe(genrm, "simulator", null), await opened.probe(genrm, "simulator", null)];
  expect(second.facts).toEqual(first.facts);
});

test("a profile for any tokenizer gets the ids of this one", async () => {
  const { profile, facts } = await (await engines()).probe(named("yes-no"), "simulator", null);
  expect(profile.verdict.forms).toContainEqual({ yes: "Yes", no: "No", yes_id: 9454, no_id: 2753 });
  expect(facts[0]?.ways).toEqual(["ids"]);
});

test("one that tells no log-probabilities at all is refused, with what a server must know", async () => {
  const opened = await engines({ knows: { logprobTokenIds: false, returnTokenIds: false }, maxLogprobs: 1 });
  expect(await failedCheck(opened)).toMatchObject({
    name: "reading the verdict",
    next: expect.stringContaining("vLLM"),
  });
  await expect(opened.probe(genrm, "simulator", null)).rejects.toMatchObject({ code: "E_ENGINE_REFUSED" });
});

test("one that scales its log-probabilities is read in two steps, at temperature 0, and never in one", async () => {
  const { facts } = await (await engines({ logprobsMode: "processed" })).probe(genrm, "simulator", null);
  expect(facts).toMatchObject([{ ways: ["two-step"], pin: { logprobs: "processed" } }]);
});

test("where a prompt of ids is refused, chat tells whether log-probabilities are the model's own", async () => {
  for (const logprobsMode of ["raw", "processed"] as const) {
    const { facts } = await probeThrough(
      (path, body, ask) =>
        path === "/v1/completions" ? Promise.resolve({ status: 404, body: "not found" }) : ask(path, body),
      { logprobsMode },
    );
    expect(facts).toMatchObject({
      ways: logprobsMode === "raw" ? ["two-step", "ids"] : ["two-step"],
      pin: { logprobs: logprobsMode },
    });
  }
});

test("a list that cannot be read says nothing of that, and ends no probe", async () => {
  const { facts, checks } = await probeThrough((path, body, ask) => {
    if (path === "/v1/completions") return Promise.resolve({ status: 404, body: "not found" });
    return path === "/v1/chat/completions" ? Promise.resolve({ status: 200, body: {} }) : ask(path, body);
  });
  expect(facts?.ways).toEqual(["two-step", "ids"]);
  expect(checks).toContainEqual(
    expect.objectContaining({ name: "log-probabilities", found: expect.stringContaining("not told") }),
  );
});

test("a reasoning parser changes nothing", async () => {
  const { facts } = await (await engines({ reasoningParser: true })).probe(genrm, "simulator", null);
  expect(facts[0]?.ways).toEqual(["two-step", "ids"]);
});

describe("how an engine is served is told, with the flag that would make it better:", () => {
  const line = async (options: SimulatorOptions, name: string) => {
    const [report] = await (await engines(options)).examine(genrm, "simulator");
    expect(report?.facts).not.toBeNull();
    return report?.checks.find((check) => check.name === name);
  };

  test.each<[string, SimulatorOptions, string, object]>([
    ["a reasoning parser", { reasoningParser: true }, "reasoning parser", { found: expect.stringMatching(/^on/) }],
    ["none", {}, "reasoning parser", { found: "off" }],
    [
      "cached tokens told",
      { promptTokensDetails: true },
      "prefix cache",
      { found: expect.stringMatching(/^real: 14\d\d of 1500/) },
    ],
    ["cached tokens not told", {}, "prefix cache", { next: expect.stringContaining("--enable-prompt-tokens-details") }],
    ["its KV cache", { kvBlocks: 4_096 }, "metrics", { found: "told; the KV cache holds 65,536 tokens" }],
    ["one rank", {}, "ranks", { found: "one engine behind the URL" }],
  ])("%s", async (_name, options, name, expected) => {
    expect(await line(options, name)).toMatchObject({ ok: true, ...expected });
  });

  const metricsText = (startedAt: number, tokens: number): string =>
    [
      'vllm:num_requests_running{engine="0"} 0',
      'vllm:num_requests_waiting{engine="0"} 0',
      'vllm:kv_cache_usage_perc{engine="0"} 0',
      'vllm:num_preemptions_total{engine="0"} 0',
      `vllm:generation_tokens_total{engine="0"} ${tokens}`,
      `process_start_time_seconds ${startedAt}`,
    ].join("\n");

  test("several replicas behind one URL, told by counters that jump", async () => {
    let looks = 0;
    const balanced: EngineClient = {
      origin: "http://balancer",
      streamFromNowOn: () => {},
      complete: () => Promise.reject(new Error("not asked")),
      ask: async (path) => {
        looks += 1;
        return path === "/metrics" ? { status: 200, body: metricsText(looks % 2, 5) } : { status: 404, body: null };
      },
    };
    const { checks } = await probeServing(balanced, "m", [1], { reasoningParser: false });
    expect(checks).toContainEqual(
      expect.objectContaining({ name: "metrics", found: expect.stringContaining("several replicas") }),
    );
  });

  test("ranks behind one URL, told by the refusal of one that is too high", async () => {
    const ranked: EngineClient = {
      origin: "http://ranks",
      streamFromNowOn: () => {},
      complete: () => Promise.reject(new Error("not asked")),
      ask: async (_path, _body, _limitMs, headers) =>
        headers === undefined
          ? { status: 404, body: null }
          : { status: 400, body: { error: { message: "data_parallel_rank 99999 is out of range [0, 8)" } } },
    };
    expect((await probeServing(ranked, "m", [1], { reasoningParser: false })).ranks).toBe(8);
  });
});

describe("refused, with the check, what was expected and what was found:", () => {
  test("a model that is not served", async () => {
    const check = await failedCheck(await engines(), genrm, "nvidia/other");
    expect(check).toMatchObject({ name: "model", found: "simulator", expected: "nvidia/other" });
  });

  test("a profile of another tokenizer", async () => {
    const llama = named("scalar-principle");
    expect(await failedCheck(await engines(), llama)).toMatchObject({ name: "verdict words" });
  });

  test("a role that the template refuses, with the template's own words", async () => {
    const { plain: _plain, ...withoutPlain } = genrm;
    expect(await failedCheck(await engines({ knows: { principleRole: false } }), withoutPlain)).toMatchObject({
      name: "template",
      found: "400 Unexpected role: principle",
      expected: "turns user, assistant, principle",
    });
  });

  test("a server in which a row's text becomes template although it was broken up", async () => {
    // a tokenizer that normalises U+200B away would undo it
    const report = await probeThrough((path, body, ask) =>
      ask(path, JSON.parse(JSON.stringify(body).replaceAll("\u200b", "")) as object),
    );
    expect(report.checks.at(-1)).toMatchObject({
      name: "row text stays text",
      ok: false,
      found: expect.stringContaining("<|im_start|> in a row's text became"),
    });
    expect(report.facts).toBeNull();
  });

  test("a golden pair that is not told apart", async () => {
    const upsideDown: Profile = {
      ...genrm,
      golden: { prompt: "What is 1+1?", better: "1+1=3", worse: "1+1=2", principle: "correctness" },
    };
    expect(await failedCheck(await engines(), upsideDown)).toMatchObject({
      name: "golden pair",
      found: expect.stringMatching(/better -\d+\.\d+, worse \d+\.\d+/),
    });
  });

  test("a wrong key", async () => {
    const opened = await engines({ apiKey: "right" }, "wrong");
    await expect(opened.models()).rejects.toMatchObject({ code: "E_ENGINE_DENIED" });
    await expect(opened.probe(genrm, "simulator", null)).rejects.toMatchObject({ code: "E_ENGINE_DENIED" });
  });

  test("an engine that is not there", async () => {
    const agent = new Agent(engineAgentOptions());
    const opened = openEngines({ urls: ["http://127.0.0.1:9"], agent, apiKey: null, inFlight: 1, onWarning: () => {} });
    open.push({ close: () => agent.destroy() }, opened);
    await expect(opened.probe(genrm, "simulator", null)).rejects.toMatchObject({
      code: "E_ENGINE_UNREACHABLE",
      got: "ECONNREFUSED",
    });
  });
});

test("two engines under one name twice are refused", () => {
  const agent = new Agent();
  open.push({ close: () => agent.destroy() });
  const urls = ["http://127.0.0.1:9", "http://127.0.0.1:9/v1"];
  expect(() => openEngines({ urls, agent, apiKey: null, inFlight: 1, onWarning: () => {} })).toThrow(
    expect.objectContaining({ code: "E_USAGE", where: "http://127.0.0.1:9" }),
  );
});
