import { startSimulator } from "@assay/simulator";
import { describe, expect, test } from "@jest/globals";
import { Agent } from "undici";
import { createEngineClient } from "../src/engine-client.ts";
import { engineAgentOptions } from "../src/undici-fetch.ts";
import { chat, clients, error, limits } from "./client-under-test.ts";
import { chatAnswer, json } from "./scripted-server.ts";

const { against, open } = clients();

describe("a request that is too long", () => {
  const tooLong = error("max_tokens is too large", "BadRequestError", 400, "max_tokens");

  async function asked(count: number, context: number) {
    const { client, server } = await against((_n, incoming, response) => {
      if (incoming.url === "/tokenize") return json(response, 200, { count, max_model_len: context });
      const { max_tokens = 0 } = (server.requests.at(-1)?.body ?? {}) as { max_tokens?: number };
      return max_tokens + count > context ? json(response, 400, tooLong) : json(response, 200, chatAnswer);
    });
    const outcome = await client.complete(chat, limits);
    const budgets = server.requests.map(({ body }) => (body as { max_tokens?: number }).max_tokens ?? "counted");
    return { kind: outcome.ok ? "ok" : outcome.failure.kind, budgets };
  }

  test("is sent once more with the budget that fits behind its prompt, as the server counts it", async () => {
    expect(await asked(1_000, 9_000)).toEqual({ kind: "ok", budgets: [16_000, "counted", 8_000] });
    expect(await asked(8_999, 9_000)).toEqual({ kind: "ok", budgets: [16_000, "counted", 1] });
  });

  test.each<[string, unknown, unknown, number]>([
    ["its prompt alone fills the context", 9_000, 9_000, 200],
    ["its prompt alone is longer", 9_500, 9_000, 200],
    ["the server does not count", 1_000, 9_000, 404],
    ["it does not say how long its context is", 1_000, undefined, 200],
  ])("is too long where %s", async (_name, count, context, status) => {
    const { client, server } = await against((_n, incoming, response) =>
      incoming.url === "/tokenize"
        ? json(response, status, { count, max_model_len: context })
        : json(response, 400, tooLong),
    );
    expect(await client.complete(chat, limits)).toMatchObject({ ok: false, failure: { kind: "too_long" } });
    expect(server.requests).toHaveLength(2);
  });

  test("is counted as the text that was sent where the server is sent text", async () => {
    const { client, server } = await against((_n, incoming, response) => {
      const {
        messages,
        prompt,
        max_tokens = 0,
      } = (server.requests.at(-1)?.body ?? {}) as {
        messages?: unknown;
        prompt?: string;
        max_tokens?: number;
      };
      if (messages !== undefined || prompt !== "the text")
        return json(response, 400, error("no such role", "Bad", 400));
      if (incoming.url === "/tokenize") return json(response, 200, { count: 1_000, max_model_len: 8_000 });
      if (max_tokens > 7_000) return json(response, 400, tooLong);
      json(response, 200, { choices: [{ text: "Yes", finish_reason: "stop" }], usage: { prompt_tokens: 1_000 } });
    });
    expect(await client.complete({ ...chat, text: "the text" }, limits)).toMatchObject({ ok: true });
    expect(server.requests.map(({ path }) => path)).toEqual(["/v1/completions", "/tokenize", "/v1/completions"]);
  });

  test("is not fitted twice", async () => {
    const { client, server } = await against((_n, incoming, response) =>
      incoming.url === "/tokenize"
        ? json(response, 200, { count: 10, max_model_len: 9_000 })
        : json(response, 400, tooLong),
    );
    expect(await client.complete(chat, limits)).toMatchObject({ ok: false, failure: { kind: "too_long" } });
    expect(server.requests).toHaveLength(3);
  });

  test("fits on an engine with a small context", async () => {
    const simulator = await startSimulator({ model: "judge", maxModelLen: 2_048 });
    const agent = new Agent(engineAgentOptions());
    open.push({ close: () => simulator.close() }, { close: () => agent.destroy() });
    const client = createEngineClient({ url: simulator.url, agent, apiKey: null });
    const outcome = await client.complete(chat, limits);
    expect(outcome).toMatchObject({ ok: true, completion: { finishReason: "stop" } });
  });
});
