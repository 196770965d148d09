import { type Asked, askVerdict, buildRequest, inWay, type Profile, type ReadWay, setProfile } from "@assay/core";
import { type SimulatorOptions, startSimulator } from "@assay/simulator";
import { describe, expect, test } from "@jest/globals";
import { Agent } from "undici";
import { type Engines, openEngines } from "../src/open-engines.ts";
import { probeRow } from "../src/probe-template.ts";
import { engineAgentOptions } from "../src/undici-fetch.ts";
import { clients, genrm, limits, named } from "./client-under-test.ts";
import { never } from "./open-pool.ts";

/** Servers that know less than vLLM: which way is chosen there, what is said of it, and that it reads the same. */

const { open } = clients();
const yesNo = named("yes-no");
const set = (profile: Profile, sets: Record<string, string>): Profile =>
  setProfile(profile, new Map(Object.entries(sets)));

const topOnly = { logprobTokenIds: false, returnTokenIds: false } as const;
/** As a hosted server is: OpenAI's own fields and lists of 5, no tokenizer. */
const hosted: SimulatorOptions = {
  knows: { ...topOnly, tokenize: false, otherFields: false },
  maxLogprobs: 5,
};

async function engines(options: SimulatorOptions = {}): Promise<Engines> {
  const simulator = await startSimulator({ reasoningTokens: 20, ...options });
  const agent = new Agent(engineAgentOptions());
  const opened = openEngines({ urls: [simulator.url], agent, apiKey: null, inFlight: 4, onWarning: () => {} });
  open.push({ close: () => simulator.close() }, { close: () => agent.destroy() }, opened);
  return opened;
}

async function examine(options: SimulatorOptions, profile: Profile) {
  const [report] = await (await engines(options)).examine(profile, "simulator");
  if (report === undefined) throw new Error("no report");
  const found = (name: string): string | undefined => report.checks.find((check) => check.name === name)?.found;
  return { ...report, found, failed: report.checks.find(({ ok }) => !ok) };
}

describe("lists of the likeliest tokens, where exact ids are not known", () => {
  test.each([
    ["genrm-principle", genrm, {}, { topLogprobs: 20, rendered: "template", fields: "vllm" }],
    ["genrm-principle, lists of 5", genrm, { maxLogprobs: 5 }, { topLogprobs: 5 }],
    ["genrm-principle, lists of 7 at most", genrm, { maxLogprobs: 7 }, { topLogprobs: 5 }],
    ["yes-no", yesNo, {}, { topLogprobs: 20 }],
  ] as const)("%s", async (_name, profile, options, server) => {
    const { facts, found } = await examine({ knows: topOnly, ...options }, profile);
    expect(facts).toMatchObject({ ways: ["top"], server });
    expect(found("way")).toMatch(
      new RegExp(`^a list of the likeliest tokens \\(top_logprobs ${server.topLogprobs}\\): .* does not work here`),
    );
    expect(found("rows' prompts")).toContain("would not be seen");
  });

  test("a hosted server: OpenAI's fields alone, words read by their text, and what cannot be checked is said", async () => {
    const { facts, profile, found } = await examine(hosted, yesNo);
    expect(facts).toMatchObject({
      ways: ["top"],
      server: { topLogprobs: 5, rendered: "template", fields: "openai" },
      pin: { delimiters: [] },
    });
    expect(profile).toEqual(yesNo);
    for (const name of ["verdict words", "row text stays text"]) expect(found(name)).toMatch(/^not checked/);
    expect(found("template")).toContain("of the number of tokens alone");
  });

  test("a sampling that OpenAI's fields cannot say is refused there, with the setting that mends it", async () => {
    const { failed } = await examine(hosted, genrm);
    expect(failed).toMatchObject({ name: "reading the verdict", found: expect.stringContaining("--set top_k=-1") });
    expect((await examine(hosted, set(genrm, { top_k: "-1" }))).facts).toMatchObject({
      ways: ["top"],
      server: { fields: "openai" },
    });
  });

  test("scaled log-probabilities are refused, but for a sampling at temperature 0", async () => {
    const options = { knows: topOnly, logprobsMode: "processed" } as const;
    expect((await examine(options, genrm)).failed).toMatchObject({ next: expect.stringContaining("raw_logprobs") });
    expect((await examine(options, set(genrm, { temperature: "0" }))).facts?.ways).toEqual(["top"]);
  });

  test("processed log-probabilities are not the model's at temperature 0 under a penalty, but for a second request", async () => {
    const greedy = set(genrm, { temperature: "0", repetition_penalty: "1.1" });
    const { facts } = await examine({ logprobsMode: "processed" }, greedy);
    expect(facts?.ways).toEqual(["two-step"]);
    expect((await examine({ logprobsMode: "processed", knows: topOnly }, greedy)).failed).toMatchObject({
      name: "reading the verdict",
      next: "start vLLM with --logprobs-mode raw_logprobs, or --set repetition_penalty=1",
    });
  });
});

describe("a role that the server refuses", () => {
  test("the profile's plain text makes the very prompt that the template would have made", async () => {
    const own = await examine({}, genrm);
    const { facts, found } = await examine({ knows: { principleRole: false } }, genrm);
    expect(facts).toMatchObject({
      ways: ["two-step", "ids"],
      server: { rendered: "plain" },
      pin: { rendered: "plain" },
    });
    expect(own.facts?.pin).not.toHaveProperty("rendered");
    expect(facts?.pin.template).toBe(own.facts?.pin.template);
    expect(facts?.pin.delimiters).toEqual(own.facts?.pin.delimiters);
    expect(found("template")).toContain("Unexpected role: principle");
    expect(found("row text stays text")).toBe("specials in a row are broken up");
  });

  test("and nothing but lists of the likeliest tokens", async () => {
    const { facts } = await examine({ knows: { ...topOnly, principleRole: false } }, genrm);
    expect(facts).toMatchObject({ ways: ["top"], server: { rendered: "plain" } });
  });
});

describe("a way that is insisted on", () => {
  test.each(["two-step", "ids", "top"] as const)("%s is the only one", async (read) => {
    const { facts, found } = await examine({}, set(genrm, { read }));
    expect(facts?.ways).toEqual([read]);
    expect(found("way")).toContain("insisted on");
  });

  test.each(["two-step", "ids"] as const)("%s is refused where it does not work", async (read) => {
    expect((await examine({ knows: topOnly }, set(genrm, { read }))).failed).toMatchObject({
      name: "reading the verdict",
      expected: `${read}, which is insisted on`,
    });
  });
});

describe("every way reads the same two log-probabilities of the same answer", () => {
  const greedy = set(genrm, { temperature: "0", top_k: "-1", top_p: "1" });

  async function asking(options: SimulatorOptions, asIs: Profile) {
    const opened = await engines(options);
    const { profile, facts } = await opened.probe(asIs, "simulator", null);
    return async (response: string, ways: readonly ReadWay[]): Promise<Asked[]> => {
      const server = facts[0]?.server;
      const row = probeRow({ prompt: "Name a river.", response, principle: "is it one?" });
      const settings = {
        model: "simulator",
        profile,
        strip: "off",
        specials: "neutralise",
        samples: 1,
        seed: null,
      } as const;
      const built = buildRequest(row, settings, ways[0] ?? "ids", server);
      if (built.kind !== "ask") throw new Error(built.why);
      const slot = await opened.pool.acquire("b", never);
      try {
        return await Promise.all(
          ways.map((way) =>
            askVerdict(
              (request) => slot.complete(request, limits),
              inWay(built.request, profile, way, server),
              profile,
            ),
          ),
        );
      } finally {
        slot.release();
      }
    };
  }

  const readOf = (one: Asked | undefined) => {
    if (one?.ok !== true || one.read === null) throw new Error(JSON.stringify(one));
    return one.read;
  };

  test.each(["The Rhine.", "A mountain, the Zugspitze.", "1+1=2", "", "\n\nAfter two empty lines."])(
    "%j",
    async (response) => {
      const servers: [SimulatorOptions, ReadWay[]][] = [
        [{}, ["ids", "two-step", "top"]],
        [{ knows: { principleRole: false } }, ["ids", "two-step", "top"]],
        [{ knows: { ...topOnly, tokenize: false } }, ["top"]],
        [{ knows: { ...topOnly, otherFields: false, principleRole: false } }, ["top"]],
        [{ reasoningParser: true }, ["ids", "two-step", "top"]],
      ];
      const read = (
        await Promise.all(servers.map(async ([options, ways]) => (await asking(options, greedy))(response, ways)))
      )
        .flat()
        .map(readOf);
      const [first] = read;
      for (const one of read) {
        expect(one).toMatchObject({ status: "ok", floored: false, form: " Yes" });
        expect(one.logprobYes).toBeCloseTo(first?.logprobYes ?? Number.NaN, 6);
        expect(one.logprobNo).toBeCloseTo(first?.logprobNo ?? Number.NaN, 6);
      }
    },
  );

  test("a word that is not in the list gets a bound, which no spelling of it exceeds", async () => {
    const responses = Array.from({ length: 12 }, (_, i) => `River number ${i}.`);
    const all = async (options: SimulatorOptions, way: ReadWay) => {
      const ask = await asking(options, yesNo);
      return Promise.all(responses.map(async (response) => readOf((await ask(response, [way]))[0])));
    };
    const exact = await all({}, "ids");
    const listed = await all({ knows: topOnly, maxLogprobs: 2 }, "top");
    for (const [i, one] of listed.entries()) {
      const truth = exact[i] ?? one;
      const apart = (["logprobYes", "logprobNo"] as const).map((word) => (one[word] ?? 0) - (truth[word] ?? 0));
      // what is listed lacks at most the rarer spellings of its word
      expect(Math.min(...apart.map(Math.abs))).toBeLessThan(0.05);
      // each spelling that is not listed is under the bound; there are six of a word
      for (const by of apart) expect(by).toBeGreaterThan(one.floored ? -Math.log(6) : -0.05);
    }
    expect(new Set(listed.map(({ floored }) => floored))).toEqual(new Set([true, false]));
  });
});
