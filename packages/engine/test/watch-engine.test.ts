import { startSimulator } from "@assay/simulator";
import { expect, test } from "@jest/globals";
import { Agent } from "undici";
import { createEngineClient, type EngineClient } from "../src/engine-client.ts";
import { openEngines } from "../src/open-engines.ts";
import { engineAgentOptions } from "../src/undici-fetch.ts";
import { watchEngine } from "../src/watch-engine.ts";
import { chat, clients, limits } from "./client-under-test.ts";
import { never } from "./open-pool.ts";

const { open } = clients();
const request = { ...chat, model: "simulator" };

test("the first look sets a limit from the engine's KV cache; a fixed one is left alone", async () => {
  const simulator = await startSimulator({ kvBlocks: 10_000, blockSize: 16, maxModelLen: 32_768 });
  const agent = new Agent(engineAgentOptions());
  open.push({ close: () => simulator.close() }, { close: () => agent.destroy() });
  const client = createEngineClient({ url: simulator.url, agent, apiKey: null });
  const limits: number[] = [];
  const looking = new AbortController();
  const watch = (inFlight: number | null) =>
    watchEngine(client, {
      inFlight,
      liveTokens: 2_000,
      everyMs: 1,
      hungMs: 60_000,
      onRefused: () => {},
      onProcess: () => {},
      goneMs: 60_000,
      setLimit: (limit) => {
        limits.push(limit);
        looking.abort();
      },
      taken: () => 0,
      onHung: () => {},
      onGone: () => {},
      signal: looking.signal,
    });
  await watch(null);
  expect(limits).toEqual([64]);
  await watch(7);
  expect(limits).toEqual([64]);
});

test("an engine at whose port nobody listens is given up, or whose machine is gone, one that is slow to answer is not", async () => {
  const looking = new AbortController();
  const watch = async (code: string, looks: number, hungMs = 60_000): Promise<string[]> => {
    const given: string[] = [];
    let left = looks;
    const stop = new AbortController();
    const client: EngineClient = {
      origin: "http://gone",
      complete: () => Promise.reject(new Error("not asked")),
      streamFromNowOn: () => {},
      ask: async () => {
        left -= 1;
        if (left <= 0) stop.abort();
        return { status: 0, body: code };
      },
    };
    const signal = AbortSignal.any([looking.signal, stop.signal]);
    await watchEngine(client, {
      inFlight: null,
      liveTokens: 1,
      everyMs: 1,
      hungMs,
      onRefused: () => {},
      onProcess: () => {},
      goneMs: 0,
      setLimit: () => {},
      taken: () => 0,
      onHung: (reason) => given.push(`hung: ${reason}`),
      onGone: (reason) => given.push(reason),
      signal,
    });
    return given;
  };
  // gone and not hung: a hook must not restart an engine that still loads its weights
  expect(new Set(await watch("ECONNREFUSED", 3))).toEqual(new Set(["nobody listens at its port"]));
  expect(await watch("no answer within 10000 ms", 3, 0)).toEqual([]);
  // packets that are swallowed: a network that is away for a moment is waited for
  expect(await watch("UND_ERR_CONNECT_TIMEOUT", 3)).toEqual([]);
  expect(new Set(await watch("UND_ERR_CONNECT_TIMEOUT", 3, 0))).toEqual(new Set(["no connection to it can be made"]));
});

test("an engine that writes no token although a row runs is given up, and its row is lost to it, not failed", async () => {
  const simulator = await startSimulator({ faults: { hang: true } });
  const agent = new Agent(engineAgentOptions());
  const engines = openEngines({
    urls: [simulator.url],
    agent,
    apiKey: null,
    inFlight: 4,
    onWarning: () => {},
    lookEveryMs: 20,
    hungMs: 200,
  });
  open.push({ close: () => simulator.close() }, { close: () => agent.destroy() }, engines);
  const slot = await engines.pool.acquire("x", never);
  const outcome = await slot.complete(request, limits);
  expect(outcome).toMatchObject({ ok: false, failure: { kind: "lost", message: "given up" } });
  expect(engines.pool.capacity).toBe(0);
  slot.release();
  // healed, it is taken back once it writes a token again
  simulator.setFaults({});
  const again = await engines.pool.acquire("x", never);
  expect(await again.complete(request, limits)).toMatchObject({ ok: true });
  again.release();
}, 60_000);
