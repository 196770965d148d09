import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { type Simulator, type SimulatorFaults, simulatorOwner, startSimulator } from "../src/index.ts";
import { get, post, row, until } from "./ask.ts";

const path = "/v1/chat/completions";
const body = { messages: row("How are you?", "Well.", "politeness"), max_tokens: 2_000, temperature: 0 };

let simulator: Simulator;
beforeEach(async () => {
  simulator = await startSimulator({ reasoningTokens: 20 });
});
afterEach(() => simulator.close());

const ask = () => post(simulator, path, body);
const error = (text: string) => JSON.parse(text).error;

describe("faults", () => {
  test.each<[SimulatorFaults, number, { [field: string]: unknown }]>([
    [{ rejectAll: 2 }, 400, { type: "BadRequestError", code: 400 }],
    [{ status503: 2 }, 503, { message: expect.stringContaining("currently busy"), code: 503 }],
    [{ error500: 2 }, 500, { type: "InternalServerError", code: 500 }],
    [{ wrongModel: 2 }, 404, { type: "NotFoundError", param: "model" }],
  ])("%j: twice, then answers again", async (faults, status, expected) => {
    simulator.setFaults(faults);
    for (let i = 0; i < 2; i += 1) {
      const said = await ask();
      expect(said.status).toBe(status);
      expect(error(said.text)).toMatchObject(expected);
    }
    expect((await ask()).status).toBe(200);
  });

  test("true lasts until it is cleared, and other routes are not hit", async () => {
    simulator.setFaults({ rejectAll: true });
    for (let i = 0; i < 5; i += 1) expect((await ask()).status).toBe(400);
    expect((await get(simulator, "/health")).status).toBe(200);
    expect((await get(simulator, "/v1/models")).status).toBe(200);
    simulator.setFaults({});
    expect((await ask()).status).toBe(200);
  });

  test("wrongModel: the list of models names another one, too", async () => {
    const served = async () => JSON.parse((await get(simulator, "/v1/models")).text).data[0];
    expect(await served()).toMatchObject({ id: "simulator", owned_by: simulatorOwner });
    simulator.setFaults({ wrongModel: true });
    expect((await served()).id).not.toBe("simulator");
  });

  test("notJson: a proxy's page", async () => {
    simulator.setFaults({ notJson: 1 });
    const said = await ask();
    expect([said.status, said.contentType]).toEqual([502, "text/html"]);
    expect(() => JSON.parse(said.text)).toThrow();
  });

  test("dropConnection: no answer at all, for the next so many", async () => {
    simulator.setFaults({ dropConnection: 2 });
    await expect(ask()).rejects.toThrow("fetch failed");
    await expect(ask()).rejects.toThrow("fetch failed");
    expect((await ask()).status).toBe(200);
  });

  test("cutBody and nan: 200, and no JSON", async () => {
    const whole = (await ask()).text;
    simulator.setFaults({ cutBody: 1 });
    const cut = await ask();
    expect(cut.status).toBe(200);
    expect(() => JSON.parse(cut.text)).toThrow();
    expect(Math.abs(cut.text.length - whole.length / 2)).toBeLessThan(10);

    simulator.setFaults({ nan: true });
    for (const logprobs of [false, true]) {
      const said = await post(simulator, path, { ...body, logprobs });
      expect([said.status, said.text]).toEqual([200, expect.stringContaining(":NaN")]);
      expect(() => JSON.parse(said.text)).toThrow();
    }
  });

  test("abortFinish: 200 with half an answer and finish_reason abort", async () => {
    const whole = JSON.parse((await ask()).text);
    simulator.setFaults({ abortFinish: 1 });
    const half = JSON.parse((await ask()).text);
    expect(half.choices[0].finish_reason).toBe("abort");
    expect(whole.choices[0].message.content.startsWith(half.choices[0].message.content)).toBe(true);
    expect(half.usage.completion_tokens).toBe(Math.ceil(whole.usage.completion_tokens / 2));
    expect((await get(simulator, "/metrics")).text).toContain('finished_reason="abort",model_name="simulator"} 1.0');
  });

  test("firstByteDelayMs: the answer comes, and a hang-up in between is no error", async () => {
    simulator.setFaults({ firstByteDelayMs: 20 });
    expect((await ask()).status).toBe(200);
    simulator.setFaults({ firstByteDelayMs: 3_600_000 });
    const client = new AbortController();
    const said = post(simulator, path, body, { signal: client.signal });
    await until(() => simulator.stats.requests === 2 && simulator.stats.running + simulator.stats.waiting === 0);
    client.abort();
    await expect(said).rejects.toThrow();
    simulator.setFaults({});
    expect((await ask()).status).toBe(200);
  });

  test("hang: taken in, never answered, no token moves, /health says 200; cleared, it goes on", async () => {
    simulator.setFaults({ hang: true });
    const said = ask();
    await until(() => simulator.stats.waiting === 1);
    expect((await get(simulator, "/health")).status).toBe(200);
    expect(simulator.stats.generatedTokens).toBe(0);
    simulator.setFaults({});
    expect((await said).status).toBe(200);
  });

  test("engineDead: 500 for what is in flight and what comes, /health 503, until cleared", async () => {
    simulator.setFaults({ hang: true });
    const inFlight = [ask(), ask(), ask()];
    await until(() => simulator.stats.waiting === 3);
    simulator.setFaults({ engineDead: true });
    for (const said of [...(await Promise.all(inFlight)), await ask()]) {
      expect([said.status, error(said.text).message]).toEqual([
        500,
        expect.stringContaining("EngineCore encountered an issue"),
      ]);
    }
    expect((await get(simulator, "/health")).status).toBe(503);
    simulator.setFaults({});
    expect((await get(simulator, "/health")).status).toBe(200);
    expect((await ask()).status).toBe(200);
  });

  test("silenceLimitMs: a silent answer is cut, one that comes in pieces is not", async () => {
    const slow = await startSimulator({ reasoningTokens: 100, tokensPerSecond: 200, faults: { silenceLimitMs: 200 } });
    await expect(post(slow, path, body)).rejects.toThrow("fetch failed");
    const streamed = await post(slow, path, { ...body, stream: true });
    expect(streamed.text).toMatch(/"finish_reason":"stop".*\n\ndata: \[DONE\]\n\n$/);
    await slow.close();
  });

  test("diesOf: a row that holds the text ends the process, and whatever else is in flight there", async () => {
    const slow = await startSimulator({
      reasoningTokens: 2_000,
      tokensPerSecond: 1,
      faults: { diesOf: "the bad one" },
    });
    const other = post(slow, path, { ...body, max_tokens: 20_000 });
    await until(() => slow.stats.running === 1);
    const bad = post(slow, path, { ...body, messages: row("How are you?", "I am the bad one.", "politeness") });
    await expect(bad).rejects.toThrow("fetch failed");
    await expect(other).rejects.toThrow("fetch failed");
    await slow.died;
    await expect(get(slow, "/health")).rejects.toThrow("fetch failed");
    await slow.close();
  });

  test("an engine that dies while it streams says so in the stream", async () => {
    const slow = await startSimulator({ reasoningTokens: 100, tokensPerSecond: 100 });
    const asking = post(slow, path, { ...body, stream: true });
    while (slow.stats.generatedTokens < 5) await new Promise((resolve) => setTimeout(resolve, 1));
    slow.setFaults({ engineDead: true });
    const { status, text } = await asking;
    expect(status).toBe(200);
    expect(text).toMatch(/data: \{"error":\{"message":"EngineCore encountered an issue.*\n\ndata: \[DONE\]\n\n$/);
    await slow.close();
  });
});
