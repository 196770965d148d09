import { buildRequest, completionFromChat } from "@assay/core";
import { startSimulator } from "@assay/simulator";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { Agent } from "undici";
import { collectStream } from "../src/collect-stream.ts";
import { createEngineClient } from "../src/engine-client.ts";
import { openEngines } from "../src/open-engines.ts";
import { probeRow } from "../src/probe-template.ts";
import { engineAgentOptions } from "../src/undici-fetch.ts";
import { chat, clients, genrm, limits } from "./client-under-test.ts";
import { never } from "./open-pool.ts";

/** Events as a real vLLM 0.32 with --reasoning-parser sent them, shortened. */
const promptIds = [151644, 872, 198];
const verdict = { yes: " Yes", ids: [151667, 1654, 151668, 271, 25, 7414, 151645] };
const entry = (token: string, logprob: number) => ({ token, logprob, bytes: null, top_logprobs: [{ token, logprob }] });
const event = (delta: object, more: object = {}, top: object = {}) => ({
  object: "chat.completion.chunk",
  model: "judge",
  choices: [{ index: 0, delta, logprobs: null, finish_reason: null, ...more }],
  ...top,
});
const events: object[] = [
  event({ role: "assistant", content: "" }, {}, { prompt_token_ids: promptIds, prompt_text: null }),
  event({}, { token_ids: [151667] }),
  event({ reasoning: "Wé 🌅" }, { token_ids: [1654] }),
  event({}, { token_ids: [151668] }),
  event({ content: "\n\n", reasoning: "." }, { token_ids: [271, 25] }),
  event({ content: " Yes" }, { token_ids: [7414] }),
  event({ content: "" }, { finish_reason: "stop", stop_reason: null, token_ids: [151645] }),
  { model: "judge", choices: [], usage: { prompt_tokens: 3, total_tokens: 10, completion_tokens: 7 } },
];
const textOf = (all: readonly object[], done = "data: [DONE]\n\n"): string =>
  all.map((one) => `data: ${JSON.stringify(one)}\n\n`).join("") + done;

async function* inPieces(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const to of [...at, bytes.length]) {
    yield bytes.subarray(from, to);
    from = to;
  }
}

const whole = (text: string) => collectStream(inPieces(Buffer.from(text), []));

describe("collect-stream", () => {
  test("law: wherever the bytes are cut, the pieces make the one answer", async () => {
    const bytes = Buffer.from(textOf(events));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 40 }), async (cuts) => {
        expect(await collectStream(inPieces(bytes, cuts))).toEqual({
          kind: "answer",
          skipped: 0,
          body: {
            model: "judge",
            choices: [
              {
                message: { content: "\n\n Yes", reasoning: "Wé 🌅." },
                logprobs: null,
                finish_reason: "stop",
                token_ids: verdict.ids,
              },
            ],
            prompt_token_ids: promptIds,
            usage: { prompt_tokens: 3, total_tokens: 10, completion_tokens: 7 },
          },
        });
      }),
      { numRuns: 50 },
    );
  });

  test("of 16,000 log-probabilities the last eight are held, and how many stood in front", async () => {
    const many = Array.from({ length: 4_000 }, (_, i) =>
      event({ content: "abcd" }, { logprobs: { content: [0, 1, 2, 3].map((k) => entry(`t${4 * i + k}`, -k)) } }),
    );
    const end = event({}, { finish_reason: "length" });
    const collected = await whole(textOf([...many, end]));
    expect(collected).toMatchObject({ kind: "answer", skipped: 15_992 });
    const { choices } = (collected as { body: { choices: { logprobs: { content: { token: string }[] } }[] } }).body;
    expect(choices[0]?.logprobs.content.map(({ token }) => token)).toEqual(
      Array.from({ length: 8 }, (_, i) => `t${15_992 + i}`),
    );
  });

  test("comments, carriage returns, blank data and a missing [DONE] are no fault; what is no event is one", async () => {
    const text = `: keep-alive\r\n\r\nretry: 3\ndata:\n\n${textOf(events, "").replaceAll("\n\n", "\r\n\r\n")}`;
    expect(await whole(text)).toMatchObject({ kind: "answer", skipped: 0 });
    for (const bad of ["data: {\n\n", "data: 7\n\n", "data: null\n\n", "data: {}\n\n", `data: ${"x".repeat(2 ** 20)}`])
      await expect(whole(bad)).rejects.toThrow();
    await expect(whole(textOf([event({ content: 7 }), event({}, { finish_reason: "stop" })]))).rejects.toThrow(
      "no text",
    );
  });

  test("a stream that ends before its finish reason was cut, however it ends", async () => {
    for (let kept = 0; kept < 6; kept += 1) {
      expect(await whole(textOf(events.slice(0, kept)))).toEqual({ kind: "cut" });
      expect(await whole(textOf(events.slice(0, kept), ""))).toEqual({ kind: "cut" });
    }
  });

  test("an id that is missing is noticed: it would shift the verdict", async () => {
    const lacking = events.map((one, i) => (i === 2 ? event({ reasoning: "Wé 🌅" }) : one));
    await expect(whole(textOf(lacking))).rejects.toThrow("6 token ids were streamed for 7 tokens");
  });

  test("a server that counts as it goes on: the last count is the answer's", async () => {
    const counted = events.map((one, i) =>
      "usage" in one ? one : { ...one, usage: { prompt_tokens: 3, total_tokens: 3 + i, completion_tokens: i } },
    );
    expect(await whole(textOf(counted))).toEqual(await whole(textOf(events)));
  });

  test("an empty finish_reason says nothing yet", async () => {
    const emptied = (text: string) => whole(text.replaceAll('"finish_reason":null', '"finish_reason":""'));
    expect(await emptied(textOf(events))).toEqual(await whole(textOf(events)));
    expect(await emptied(textOf(events.slice(0, -2)))).toEqual({ kind: "cut" });
  });

  test("thinking by its other name is thinking; token counts that nobody told are not made up", async () => {
    const thinking = [
      event({ reasoning_content: "W" }),
      event({ reasoning_content: "é" }),
      event({}, { finish_reason: "stop" }),
    ];
    const collected = await whole(textOf(thinking));
    expect(collected).toMatchObject({ body: { choices: [{ message: { reasoning: "Wé" } }] } });
    const { body } = collected as { body: object };
    expect(() => completionFromChat(body, 0)).toThrow("usage");
    expect(completionFromChat({ ...body, usage: { prompt_tokens: 3 } }, 0).reasoning).toBe("Wé");
    // the ids are as good as the counts
    const told = (await whole(textOf(events.slice(0, -1)))) as { body: object };
    expect(completionFromChat(told.body, 0).usage).toMatchObject({ promptTokens: 3, completionTokens: 7 });
  });

  test("a failure in the stream is told with its code", async () => {
    const error = { error: { message: "EngineCore encountered an issue.", type: "InternalServerError", code: 500 } };
    expect(await whole(textOf([...events.slice(0, 3), error]))).toEqual({ kind: "failed", status: 500, body: error });
  });
});

const { open, against } = clients();

describe("a client that streams", () => {
  /** A server that streams these events and then does `end`; how many connections it was asked over. */
  async function streaming(all: readonly object[], end: "ends" | "is cut" | "goes on" = "ends") {
    const connections = new Set<unknown>();
    let closed: () => void = () => {};
    const seenClosed = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const { client, server } = await against((_n, request, response) => {
      connections.add(request.socket);
      request.socket.once("close", closed);
      response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
      response.write(textOf(all, end === "ends" ? "data: [DONE]\n\n" : ""), () => {
        if (end === "ends") response.end();
        else if (end === "is cut") request.socket.destroy();
      });
    });
    client.streamFromNowOn();
    return { client, requests: server.requests, connections, seenClosed };
  }

  test("reads the same completion, and keeps its connections", async () => {
    const { client, requests, connections } = await streaming(events);
    for (let i = 0; i < 6; i += 1) {
      expect(await client.complete(chat, limits)).toMatchObject({
        ok: true,
        completion: {
          content: "\n\n Yes",
          reasoning: "Wé 🌅.",
          finishReason: "stop",
          tokenIds: verdict.ids,
          promptTokenIds: promptIds,
          usage: { promptTokens: 3, completionTokens: 7 },
        },
      });
    }
    expect(requests[0]?.body).toMatchObject({ stream: true, stream_options: { include_usage: true } });
    // a request sent in the same tick finds the connection still busy
    expect(connections.size).toBeLessThan(4);
  });

  test("loses an engine whose stream is cut, or ends too soon, and never takes half for a whole", async () => {
    for (const end of ["is cut", "ends"] as const) {
      const { client } = await streaming(events.slice(0, 5), end);
      expect(await client.complete(chat, limits)).toMatchObject({
        ok: false,
        failure: { kind: "lost" },
      });
    }
  });

  test("hangs up in the middle of a stream on an abort and at the deadline", async () => {
    for (const how of ["aborted", "deadline"] as const) {
      const { client, requests, seenClosed } = await streaming(events.slice(0, 5), "goes on");
      const stop = new AbortController();
      const asking = client.complete(chat, { signal: stop.signal, deadlineMs: how === "deadline" ? 300 : 60_000 });
      while (requests.length === 0) await new Promise(setImmediate);
      if (how === "aborted") stop.abort();
      expect(await asking).toMatchObject({ ok: false, failure: { kind: how } });
      await seenClosed;
    }
  });

  test("takes a failure in the stream for what it is, and nonsense for a bad answer that is not quoted", async () => {
    const error = { error: { message: "EngineCore encountered an issue.", type: "InternalServerError", code: 500 } };
    const dead = await streaming([...events.slice(0, 3), error]);
    expect(await dead.client.complete(chat, limits)).toMatchObject({
      ok: false,
      failure: { kind: "lost", status: 500 },
    });
    const strange = await streaming([{ choices: "SECRET" }]);
    const outcome = await strange.client.complete(chat, limits);
    expect(outcome).toMatchObject({ ok: false, failure: { kind: "bad_answer" } });
    expect(JSON.stringify(outcome)).not.toContain("SECRET");
  });
});

describe("a streamed answer of an engine", () => {
  test.each([
    { reasoningParser: false, way: "two-step" as const, asText: false },
    { reasoningParser: true, way: "two-step" as const, asText: false },
    { reasoningParser: false, way: "ids" as const, asText: false },
    { reasoningParser: true, way: "ids" as const, asText: false },
    { reasoningParser: false, way: "two-step" as const, asText: true },
    { reasoningParser: false, way: "ids" as const, asText: true },
    { reasoningParser: false, way: "top" as const, asText: true },
  ])(
    "is the same completion as the whole one: %j",
    async ({ reasoningParser, way, asText }) => {
      const simulator = await startSimulator({
        model: "judge",
        reasoningParser,
        tokensPerSecond: 2_000,
        oddities: 0.3,
      });
      const agent = new Agent(engineAgentOptions());
      open.push({ close: () => agent.destroy() }, { close: () => simulator.close() });
      const client = () => createEngineClient({ url: simulator.url, agent, apiKey: null });
      const [whole, streaming] = [client(), client()];
      streaming.streamFromNowOn();
      for (let row = 0; row < 12; row += 1) {
        const asked = buildRequest(
          probeRow({ prompt: `${row} é 🌅?`, response: "2", principle: "correctness" }),
          { model: "judge", profile: genrm, strip: "off", specials: "neutralise", samples: 1, seed: 7 },
          way,
        );
        if (asked.kind !== "ask") throw new Error("not asked");
        const maxTokens = row % 3 === 0 ? 40 : 4_000;
        const text = asText ? `<|im_start|>user\n${row} é 🌅?<|im_end|>\n<|im_start|>assistant\n` : null;
        const [one, other] = await Promise.all(
          [whole, streaming].map((each) => each.complete({ ...asked.request, maxTokens, text }, limits)),
        );
        if (!one?.ok || !other?.ok) throw new Error(JSON.stringify([one, other]).slice(0, 500));
        expect({ ...other.completion, latencyMs: 0 }).toEqual({ ...one.completion, latencyMs: 0 });
      }
    },
    60_000,
  );
});

describe("a proxy that cuts what is silent too long", () => {
  test("is found by three rows, said once with its seconds, and got around by streaming; no row is charged", async () => {
    const simulator = await startSimulator({ tokensPerSecond: 200, reasoningTokens: 300 });
    const agent = new Agent(engineAgentOptions());
    const warnings: string[] = [];
    const engines = openEngines({
      urls: [simulator.url],
      agent,
      apiKey: null,
      inFlight: 8,
      leastCutMs: 1_200,
      onWarning: (text) => warnings.push(text),
    });
    open.push({ close: () => agent.destroy() }, { close: () => simulator.close() }, engines);
    simulator.setFaults({ silenceLimitMs: 1_500 });
    const kinds: string[] = [];
    const ask = async (): Promise<void> => {
      for (;;) {
        const slot = await engines.pool.acquire("x", never);
        const outcome = await slot.complete({ ...chat, model: "simulator" }, limits);
        slot.release();
        kinds.push(outcome.ok ? "ok" : outcome.failure.kind);
        if (outcome.ok) return;
      }
    };
    await Promise.all([ask(), ask(), ask(), ask()]);
    expect(new Set(kinds)).toEqual(new Set(["lost", "ok"]));
    expect(kinds.filter((kind) => kind === "lost").length).toBeGreaterThanOrEqual(3);
    expect(warnings.filter((text) => text.includes("streamed"))).toEqual([
      expect.stringMatching(
        /^engine \S+ lives, yet three answers were cut after [1-3]\.\d s: a proxy's limit; its answers are streamed from now on$/,
      ),
    ]);
  }, 60_000);
});
