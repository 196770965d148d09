import { createServer } from "node:net";
import { describe, expect, test } from "@jest/globals";
import { Agent } from "undici";
import { createEngineClient, parseEngineUrl } from "../src/engine-client.ts";
import { engineAgentOptions } from "../src/undici-fetch.ts";
import { chat, clients, error, limits, read } from "./client-under-test.ts";
import { never } from "./open-pool.ts";
import { chatAnswer, json } from "./scripted-server.ts";

const { against, open } = clients();

test("a chat request reaches the server as the profile lays it out, and its answer comes back whole", async () => {
  const { server, client } = await against((_n, _request, response) => json(response, 200, chatAnswer), {
    apiKey: "secret",
  });
  const outcome = await client.complete(chat, limits);
  expect(outcome).toMatchObject({
    ok: true,
    completion: { content: "Final Judgement: Yes", tokenIds: [25, 7414, 151645], promptTokenIds: [1, 2, 3] },
  });
  expect(server.requests).toHaveLength(1);
  expect(server.requests[0]).toMatchObject({
    path: "/v1/chat/completions",
    headers: { authorization: "Bearer secret", "content-type": "application/json" },
    body: {
      messages: [{ role: "user" }, { role: "assistant" }, { role: "principle", content: "correctness" }],
      temperature: 0.6,
      top_p: 0.95,
      top_k: 20,
      min_p: 0,
      return_token_ids: true,
    },
  });
  expect(server.requests[0]?.body).not.toHaveProperty("include_reasoning");
});

test("the conversation of a row goes out as a header and changes nothing of what is asked", async () => {
  const { server, client } = await against((_n, _request, response) => json(response, 200, chatAnswer));
  await client.complete(chat, limits);
  await client.complete(chat, { ...limits, session: "0123456789abcdef" });
  await client.complete(read, { ...limits, session: "0123456789abcdef" });
  const [without, withSession, second] = server.requests;
  expect(without?.headers).not.toHaveProperty("x-session-id");
  expect(withSession?.headers["x-session-id"]).toBe("0123456789abcdef");
  expect(second?.headers["x-session-id"]).toBe("0123456789abcdef");
  expect(withSession?.body).toEqual(without?.body);
});

test("the second request sends exact ids and asks for exact ids", async () => {
  const { server, client } = await against((_n, _request, response) =>
    json(response, 200, {
      choices: [
        {
          text: " Yes",
          token_ids: [7414],
          finish_reason: "length",
          logprobs: {
            tokens: ["token_id:7414"],
            token_logprobs: [-0.1],
            top_logprobs: [{ "token_id:7414": -0.1, "token_id:2308": -2.4 }],
          },
        },
      ],
      usage: { prompt_tokens: 2, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 16 } },
    }),
  );
  const outcome = await client.complete(read, limits);
  expect(server.requests[0]).toMatchObject({
    path: "/v1/completions",
    body: { prompt: [1, 2], max_tokens: 1, temperature: 0, logprob_token_ids: [7414, 2308] },
  });
  expect(outcome).toMatchObject({
    ok: true,
    completion: {
      usage: { cachedTokens: 16 },
      logprobs: [{ sampled: { id: 7414, logprob: -0.1 }, told: [{ id: 7414 }, { id: 2308, logprob: -2.4 }] }],
    },
  });
});

const dead = "EngineCore encountered an issue. See stack trace (above) for the root cause.";

test.each<[string, number, unknown, string]>([
  ["a wrong role order", 400, error("principle must be last", "BadRequestError", 400), "rejected"],
  [
    "a prompt that is too long",
    400,
    error("maximum context length is", "BadRequestError", 400, "input_tokens"),
    "too_long",
  ],
  ["a model that is not served", 404, error("The model `x` does not exist.", "NotFoundError", 404), "wrong_model"],
  ["a wrong key", 401, { error: "Unauthorized" }, "denied"],
  ["too many requests", 429, error("slow down", "RateLimit", 429), "busy"],
  ["a full queue", 503, error("The engine is currently busy", "ServiceUnavailable", 503), "busy"],
  ["an engine that died", 500, error(dead, "InternalServerError", 500), "lost"],
  [
    "an engine that shuts down",
    500,
    error("cannot schedule new futures after shutdown", "InternalServerError", 500),
    "lost",
  ],
  ["a proxy without an engine", 502, "<html>bad gateway</html>", "lost"],
  ["a proxy that gave up", 504, "<html>gateway timeout</html>", "lost"],
  ["a proxy without patience", 408, "<html>request timeout</html>", "busy"],
  [
    "words at the top",
    400,
    { object: "error", message: "maximum context length is 9", param: null, code: 400 },
    "too_long",
  ],
  ["a death told at the top", 500, { object: "error", message: dead, type: "InternalServerError", code: 500 }, "lost"],
  ["a failed generation", 500, error("Generation failed, timed out", "InternalServerError", 500), "server_error"],
])("%s is HTTP %i: %j -> %s", async (_name, status, body, kind) => {
  const { client, server } = await against((_n, _request, response) => json(response, status, body));
  const outcome = await client.complete(chat, limits);
  expect(outcome).toMatchObject({ ok: false, failure: { kind, status } });
  // the SDK's own retries are off: whose fault it was is decided above
  expect(server.requests.filter(({ path }) => path !== "/tokenize")).toHaveLength(1);
});

test("the words of a refusal are told wherever they stand", async () => {
  const words = "principle must be last";
  for (const body of [
    error(words, "Bad", 400),
    { error: words },
    { object: "error", message: words },
    { detail: words },
  ]) {
    const { client } = await against((_n, _request, response) => json(response, 400, body));
    expect(await client.complete(chat, limits)).toMatchObject({ failure: { kind: "rejected", message: words } });
  }
});

test("Retry-After is passed on in milliseconds", async () => {
  const { client } = await against((_n, _request, response) => {
    response.setHeader("retry-after", "7");
    json(response, 429, error("slow down", "RateLimit", 429));
  });
  expect(await client.complete(chat, limits)).toMatchObject({
    ok: false,
    failure: { kind: "busy", retryAfterMs: 7_000 },
  });
});

test.each<[string, string]>([
  ["HTML", "<html>welcome</html>"],
  ["cut JSON", JSON.stringify(chatAnswer).slice(0, 80)],
  ["another shape", JSON.stringify({ choices: [] })],
  ["NaN", JSON.stringify(chatAnswer).replace("3,", "NaN,")],
  ["nothing", ""],
])("an answer of %s is a bad answer, and its text is not quoted", async (_name, text) => {
  const { client } = await against((_n, _request, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(text);
  });
  const outcome = await client.complete(chat, limits);
  expect(outcome).toMatchObject({ ok: false, failure: { kind: "bad_answer" } });
  expect(JSON.stringify(outcome)).not.toContain("Final");
});

test("an answer under another model's name than the first one's is a bad answer; a first name that differs is an alias", async () => {
  const names = ["judge-v1", "judge-v1", "other", undefined, "judge-v1"];
  const { client } = await against((n, _request, response) => json(response, 200, { ...chatAnswer, model: names[n] }));
  const said = [];
  for (const _ of names) said.push(await client.complete(chat, limits));
  expect(said.map(({ ok }) => ok)).toEqual([true, true, false, true, true]);
  expect(said[2]).toMatchObject({ failure: { kind: "bad_answer" } });
});

describe("the connection", () => {
  test("refused: nothing was sent, with the code", async () => {
    const { client, server } = await against(() => {});
    await server.close();
    expect(await client.complete(chat, limits)).toMatchObject({
      ok: false,
      failure: { kind: "unreached", message: "no answer: ECONNREFUSED" },
    });
  });

  test("cut and then refused: the request may be what ended the server", async () => {
    const { client, server } = await against((_n, request) => {
      void server.close();
      request.socket.destroy();
    });
    expect(await client.complete(chat, limits)).toMatchObject({ ok: false, failure: { kind: "lost" } });
    expect(await client.complete(chat, limits)).toMatchObject({ ok: false, failure: { kind: "unreached" } });
    expect(server.requests).toHaveLength(1);
  });

  test("closed under the request is asked once more at once, and lost the second time", async () => {
    const { client, server } = await against((n, request, response) => {
      if (n < 3) request.socket.destroy();
      else json(response, 200, chatAnswer);
    });
    expect(await client.complete(chat, limits)).toMatchObject({ ok: false, failure: { kind: "lost" } });
    expect(server.requests).toHaveLength(2);
    expect(await client.complete(chat, limits)).toMatchObject({ ok: true });
    expect(server.requests).toHaveLength(4);
  });

  test("cut in the middle of a body is lost, never half an answer", async () => {
    const { client } = await against((_n, request, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "5000" });
      response.write(JSON.stringify(chatAnswer).slice(0, 60), () => request.socket.destroy());
    });
    expect(await client.complete(chat, limits)).toMatchObject({ ok: false, failure: { kind: "lost" } });
  });

  test("is closed by an abort, which is what frees the engine's KV blocks", async () => {
    const controller = new AbortController();
    let closed: () => void = () => {};
    const seenClosed = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const { client } = await against((_n, request) => {
      request.socket.once("close", closed);
      controller.abort();
    });
    const outcome = await client.complete(chat, { ...limits, signal: controller.signal });
    expect(outcome).toMatchObject({ ok: false, failure: { kind: "aborted" } });
    await seenClosed;
  });

  test("is closed by the deadline of the request", async () => {
    let closed: () => void = () => {};
    const seenClosed = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const { client } = await against((_n, request) => void request.socket.once("close", closed));
    const outcome = await client.complete(chat, { signal: never, deadlineMs: 50 });
    expect(outcome).toMatchObject({ ok: false, failure: { kind: "deadline" } });
    await seenClosed;
  });

  test("an abort before the call sends nothing", async () => {
    const { client, server } = await against((_n, _request, response) => json(response, 200, chatAnswer));
    const outcome = await client.complete(chat, { ...limits, signal: AbortSignal.abort() });
    expect(outcome).toMatchObject({ ok: false, failure: { kind: "aborted" } });
    expect(server.requests).toHaveLength(0);
  });
});

/**
 * The default client of Node, and every SDK on it, ends a request whose first byte takes longer than its header
 * time-out (300 s), whatever time-out it was given. vLLM sends its first byte after the last token.
 */
describe("a slow first byte", () => {
  test("ends a request where a header time-out is set: the fault, seen", async () => {
    const { client } = await against(() => {}, { headersTimeout: 500 });
    expect(await client.complete(chat, limits)).toMatchObject({
      ok: false,
      failure: { kind: "lost", message: "no answer: UND_ERR_HEADERS_TIMEOUT" },
    });
  });

  test("does not end one with the agent's own settings", async () => {
    // longer than the shortened time-out took above, undici's timers being a second coarse
    const { client } = await against((_n, _request, response) => {
      setTimeout(() => json(response, 200, chatAnswer), 2_500);
    });
    expect(await client.complete(chat, limits)).toMatchObject({ ok: true });
  });
});

test("a server that is no HTTP server is lost, not a crash", async () => {
  const raw = createServer((socket) => socket.resume().end("hello\n"));
  await new Promise<void>((resolve) => raw.listen(0, "127.0.0.1", resolve));
  const agent = new Agent(engineAgentOptions());
  open.push({ close: () => new Promise((resolve) => raw.close(resolve)) }, { close: () => agent.destroy() });
  const { port } = raw.address() as { port: number };
  const client = createEngineClient({ url: `http://127.0.0.1:${port}`, agent, apiKey: null });
  expect(await client.complete(chat, limits)).toMatchObject({ ok: false, failure: { kind: "lost" } });
  expect((await client.ask("/health", undefined, 5_000)).status).toBe(0);
});

test.each([
  ["http://host:8000", "http://host:8000", "http://host:8000"],
  ["http://host:8000/v1/", "http://host:8000", "http://host:8000"],
  ["https://proxy/models/judge/v1", "https://proxy", "https://proxy/models/judge"],
])("%s is the engine %s below %s", (url, origin, base) => {
  expect(parseEngineUrl(url)).toEqual({ origin, base });
});

test.each(["host:8000", "ftp://host", "http://", "sim"])("%s is no engine's URL", (url) => {
  expect(() => parseEngineUrl(url)).toThrow(expect.objectContaining({ code: "E_USAGE" }));
});

test("a secret in a URL is refused and not repeated", () => {
  let message = "";
  try {
    parseEngineUrl("http://user:hunter2@host:8000");
  } catch (error) {
    message = JSON.stringify(error) + String(error);
  }
  expect(message).not.toBe("");
  expect(message).not.toContain("hunter2");
});
