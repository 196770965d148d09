import { type SimulatorOptions, startSimulator } from "@assay/simulator";
import { describe, expect, test } from "@jest/globals";
import { Agent } from "undici";
import type { EngineClient } from "../src/engine-client.ts";
import { type Engines, openEngines } from "../src/open-engines.ts";
import { createTakeBack } from "../src/take-back.ts";
import { engineAgentOptions } from "../src/undici-fetch.ts";
import { chat, clients, genrm, limits } from "./client-under-test.ts";
import { never } from "./open-pool.ts";

const { open } = clients();
const request = { ...chat, model: "simulator" };

/** A simulator that can be restarted at its port with other options, and the engines over it, probed. */
async function probed(options: SimulatorOptions, lookEveryMs: number) {
  let simulator = await startSimulator(options);
  const { url } = simulator;
  const warnings: string[] = [];
  const heard: { text: string; tell: () => void }[] = [];
  const agent = new Agent(engineAgentOptions());
  const engines: Engines = openEngines({
    urls: [url],
    agent,
    apiKey: null,
    inFlight: 4,
    lookEveryMs,
    onWarning(text) {
      warnings.push(text);
      for (const one of heard) if (text.includes(one.text)) one.tell();
    },
  });
  open.push({ close: () => agent.destroy() }, { close: () => simulator.close() }, engines);
  const { versions } = await engines.probe(genrm, "simulator", null);
  return {
    engines,
    versions,
    warnings,
    simulator: () => simulator,
    async restart(other: SimulatorOptions): Promise<void> {
      await simulator.close();
      simulator = await startSimulator({ ...other, port: Number(new URL(url).port) });
    },
    warned: (text: string): Promise<void> => new Promise((tell) => void heard.push({ text, tell })),
  };
}

/** Loses the engine by a row that finds nobody, and gives the row's slot back. */
async function meet(engines: Engines): Promise<string> {
  const slot = await engines.pool.acquire("x", never);
  const outcome = await slot.complete(request, limits);
  slot.release();
  return outcome.ok ? "ok" : outcome.failure.kind;
}

describe("an engine that comes back", () => {
  test("with other log-probabilities gets no rows, both values are said, and as it was it gets them again", async () => {
    const { engines, warnings, restart, simulator, warned } = await probed({}, 60_000);
    const told = warned("gets no rows");
    await simulator().close();
    expect(await meet(engines)).toBe("lost");
    await restart({ logprobsMode: "processed" });
    await told;
    expect(warnings.filter((text) => text.includes("gets no rows"))).toEqual([
      expect.stringMatching(
        /^engine http:\/\/127\.0\.0\.1:\d+ answers again and gets no rows: logprobs is "processed", was "raw"$/,
      ),
    ]);
    expect(engines.pool.capacity).toBe(0);
    await restart({});
    expect(await meet(engines)).toBe("ok");
    // the golden pair, both ways of reading, and then the row
    expect(simulator().stats.requests).toBeGreaterThan(5);
  }, 60_000);

  test("with another version and all else equal gets rows, and both versions are told", async () => {
    const { engines, versions, restart, simulator } = await probed({ version: "0.32.0" }, 60_000);
    expect(versions()).toEqual(["0.32.0"]);
    await simulator().close();
    expect(await meet(engines)).toBe("lost");
    await restart({ version: "0.32.1" });
    expect(await meet(engines)).toBe("ok");
    expect(versions()).toEqual(["0.32.0", "0.32.1"]);
  }, 60_000);

  test("between two looks, with no row on its way, is noticed by when its process began, and probed", async () => {
    const { engines, restart, simulator } = await probed({}, 10);
    await restart({});
    const before = simulator().stats.requests;
    const end = performance.now() + 30_000;
    while (engines.pool.capacity > 0 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(await meet(engines)).toBe("ok");
    expect(simulator().stats.requests - before).toBeGreaterThan(5);
  }, 60_000);

  test("as the same process is not probed again: one cut connection costs a token", async () => {
    const { engines, simulator } = await probed({}, 60_000);
    simulator().setFaults({ dropConnection: 2 });
    const before = simulator().stats.requests;
    expect(await meet(engines)).toBe("lost");
    expect(await meet(engines)).toBe("ok");
    // two dropped, the token, the row
    expect(simulator().stats.requests - before).toBe(4);
  }, 60_000);
});

test("an engine that does not answer the probe holds up no other, and gets rows once it has passed like them", async () => {
  const first = await startSimulator({});
  let second = await startSimulator({});
  const { url } = second;
  await second.close();
  const agent = new Agent(engineAgentOptions());
  const warnings: string[] = [];
  let tell = (): void => {};
  const refused = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const engines = openEngines({
    urls: [url, first.url],
    agent,
    apiKey: null,
    inFlight: 4,
    lookEveryMs: 60_000,
    onWarning(text) {
      warnings.push(text);
      if (text.includes("gets no rows")) tell();
    },
  });
  open.push({ close: () => agent.destroy() }, first, { close: () => second.close() }, engines);
  await expect(engines.models()).rejects.toMatchObject({ code: "E_ENGINE_UNREACHABLE", where: url });
  expect(await engines.models("answering")).toMatchObject([{ origin: first.url, models: ["simulator"] }]);
  const { facts } = await engines.probe(genrm, "simulator", null);
  expect(facts.map(({ origin }) => origin)).toEqual([first.url]);
  expect(engines.pool.capacity).toBe(4);
  const port = Number(new URL(url).port);
  second = await startSimulator({ port, logprobsMode: "processed" });
  await refused;
  expect(engines.pool.capacity).toBe(4);
  await second.close();
  second = await startSimulator({ port });
  const slots = await Promise.all(Array.from({ length: 8 }, () => engines.pool.acquire("x", never)));
  expect(slots.filter(({ origin }) => origin === url)).toHaveLength(4);
  for (const slot of slots) slot.release();
}, 60_000);

test("where no engine answers the probe that is said", async () => {
  const simulator = await startSimulator({});
  await simulator.close();
  const agent = new Agent(engineAgentOptions());
  const engines = openEngines({ urls: [simulator.url], agent, apiKey: null, inFlight: 4, onWarning: () => {} });
  open.push({ close: () => agent.destroy() }, engines);
  await expect(engines.models("answering")).rejects.toMatchObject({ code: "E_ENGINE_UNREACHABLE" });
  await expect(engines.probe(genrm, "simulator", null)).rejects.toMatchObject({ code: "E_ENGINE_UNREACHABLE" });
}, 60_000);

describe("the process behind a URL", () => {
  function takeBack() {
    const warnings: string[] = [];
    return { ...createTakeBack({ signal: never, onWarning: (text) => warnings.push(text) }), warnings };
  }

  test("is another one when it began later, until it was looked at", async () => {
    const { isAnother, look } = takeBack();
    expect([5, 5, null, 6, 6].map((at) => isAnother("http://a", at))).toEqual([false, false, false, true, true]);
    expect(
      await look(
        answering(() => 6),
        false,
      ),
    ).toBe("back");
    expect(isAnother("http://a", 6)).toBe(false);
    expect(
      await look(
        answering(() => 6),
        false,
      ),
    ).toBe("same");
    expect(
      await look(
        answering(() => 6),
        true,
      ),
    ).toBe("back");
  });

  test("that goes back in time is several: said once, and no restart is believed from then on", async () => {
    const { isAnother, look, warnings } = takeBack();
    expect([5, 6, 5, 6, 7, 5].map((at) => isAnother("http://a", at))).toEqual([
      false,
      true,
      false,
      false,
      false,
      false,
    ]);
    expect(warnings).toHaveLength(1);
    let at = 5;
    expect(
      await look(
        answering(() => at++),
        false,
      ),
    ).toBe("untold");
  });

  test("that is replaced while it is looked at is looked at again", async () => {
    const { isAnother, look } = takeBack();
    isAnother("http://a", 5);
    let at = 6;
    expect(
      await look(
        answering(() => at++),
        false,
      ),
    ).toBe("away");
  });

  test("that tells nothing of itself is never the same one", async () => {
    const { look } = takeBack();
    expect(
      await look(
        answering(() => null),
        false,
      ),
    ).toBe("untold");
    expect(
      await look(
        answering(() => null),
        false,
      ),
    ).toBe("untold");
  });

  /** A healthy engine whose process began when `startedAt` says. */
  function answering(startedAt: () => number | null): EngineClient {
    return {
      origin: "http://a",
      complete: () => Promise.reject(new Error("not asked")),
      streamFromNowOn: () => {},
      ask: async (path) => {
        if (path === "/v1/models") return { status: 200, body: { data: [{ id: "m" }] } };
        if (path !== "/metrics") return { status: 200, body: {} };
        const at = startedAt();
        return at === null ? { status: 404, body: "" } : { status: 200, body: `process_start_time_seconds ${at}.0\n` };
      },
    };
  }
});
