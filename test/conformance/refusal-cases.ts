import { setTimeout as sleep } from "node:timers/promises";
import type { EngineFailureKind } from "@assay/core";
import { expect } from "@jest/globals";
import {
  ask,
  askChat,
  type Case,
  chat,
  endless,
  failureOf,
  maxModelLen,
  metric,
  model,
  row,
  type Said,
  until,
} from "./engine-under-test.ts";

/** A refusal in vLLM's usual shape. */
function expectRefusal(
  said: Said,
  expected: { status: number; type: string; param: string | null; message: string; kind: EngineFailureKind },
): void {
  const { status, type, param, message, kind } = expected;
  expect(said).toMatchObject({
    status,
    body: { error: { type, param, code: status, message: expect.stringContaining(message) } },
  });
  expect(failureOf(said).kind).toBe(kind);
}

const badRequest = { status: 400, type: "BadRequestError" } as const;

export const refusalCases: readonly Case[] = [
  {
    topic: "Refusals",
    holds: "a prompt longer than the context",
    on: "plain",
    async run(engine) {
      const said = await askChat(engine, { messages: row("word ".repeat(6_000)) });
      const message = `maximum context length is ${maxModelLen} tokens`;
      expectRefusal(said, { ...badRequest, param: "input_tokens", message, kind: "too_long" });
      return "400, param `input_tokens`: row status `too_long`";
    },
  },
  {
    topic: "Refusals",
    holds: "a prompt that fills the context to its last token",
    on: "plain",
    async run(engine) {
      const prompt = Array(maxModelLen).fill(279);
      const said = await ask(engine, "/v1/completions", { model, prompt, max_tokens: 50 });
      expectRefusal(said, { ...badRequest, param: "max_tokens", message: "at least 1, got 0", kind: "too_long" });
      return "400, param `max_tokens`: `too_long`";
    },
  },
  {
    topic: "Refusals",
    holds: "an answer longer than the whole context",
    on: "plain",
    async run(engine) {
      const said = await askChat(engine, { max_tokens: 16_000 });
      const message = `max_tokens=16000 cannot be greater than max_model_len=${maxModelLen}`;
      expectRefusal(said, { ...badRequest, param: "max_tokens", message, kind: "too_long" });
      return "400, param `max_tokens`: `too_long`";
    },
  },
  {
    topic: "Refusals",
    holds: "an answer longer than the room behind the prompt is not refused: its budget shrinks, and nothing says so",
    on: "plain",
    async run(engine) {
      const answer = await chat(engine, { messages: row("the ".repeat(4_000)), ...endless, max_tokens: 4_000 });
      const { prompt_tokens, completion_tokens } = answer.usage;
      expect(answer.choices[0].finish_reason).toBe("length");
      expect(prompt_tokens + completion_tokens).toBe(maxModelLen);
      return "200, `length`, prompt and answer together as long as the context: `truncated`";
    },
  },
  {
    topic: "Refusals",
    holds: "a value out of its range",
    on: "plain",
    async run(engine) {
      const refused: [fields: object, param: string, message: string][] = [
        [{ temperature: -1 }, "temperature", "temperature must be non-negative, got -1.0"],
        [{ logprobs: true, top_logprobs: 21 }, "logprobs", "greater than max allowed: 20"],
        [{ logprob_token_ids: [7_414] }, "logprob_token_ids", "`logprobs` must be set to true"],
        [{ logprobs: true, logprob_token_ids: [1_000_000] }, "logprob_token_ids", "Vocabulary size: 151936"],
        [
          { logprobs: true, logprob_token_ids: Array.from({ length: 129 }, (_, i) => i) },
          "logprob_token_ids",
          "greater than max allowed: 128",
        ],
      ];
      for (const [fields, param, message] of refused)
        expectRefusal(await askChat(engine, fields), { ...badRequest, param, message, kind: "rejected" });
      return "400 with the parameter's name: `rejected` (temperature -1, 21 top, 129 ids, an id of no token, ids without `logprobs`)";
    },
  },
  {
    topic: "Refusals",
    holds: "a lone surrogate in a text, and a body that is no JSON",
    on: "plain",
    async run(engine) {
      const lone = await askChat(engine, { messages: row("\ud800") });
      expectRefusal(lone, { ...badRequest, param: null, message: "TextEncodeInput must be", kind: "rejected" });
      const cut = await ask(engine, "/v1/chat/completions", '{"model":');
      expect(cut).toMatchObject({ status: 400, body: { error: { message: expect.stringContaining("JSON decode") } } });
      return "400: `rejected`";
    },
  },
  {
    topic: "Refusals",
    holds: "a model that is not served",
    on: "plain",
    async run(engine) {
      expectRefusal(await askChat(engine, { model: "nope" }), {
        status: 404,
        type: "NotFoundError",
        param: "model",
        message: "The model `nope` does not exist",
        kind: "wrong_model",
      });
      return "404: `wrong_model`";
    },
  },
  {
    topic: "Refusals",
    holds: "a wrong key or none: another shape than all others, and under `/v1` alone",
    on: "tuned",
    async run(engine) {
      for (const apiKey of ["wrong", null]) {
        const stranger = { url: engine.url, apiKey };
        const said = await ask(stranger, "/v1/models");
        expect(said).toMatchObject({ status: 401, body: { error: "Unauthorized" } });
        expect(failureOf(said).kind).toBe("denied");
        for (const path of ["/health", "/metrics", "/version"])
          expect(await ask(stranger, path)).toMatchObject({ status: 200 });
        expect(await ask(stranger, "/tokenize", { model, prompt: "a" })).toMatchObject({ status: 200 });
      }
      return '401 `{"error":"Unauthorized"}`: `denied`; `/metrics` and `/tokenize` stay open';
    },
  },
  {
    topic: "Refusals",
    holds: "a data-parallel rank that is not there",
    on: "plain",
    async run(engine) {
      const said = await askChat(engine, {}, { "x-data-parallel-rank": "5" });
      expect(said).toMatchObject({
        status: 400,
        body: { error: { message: expect.stringContaining("data_parallel_rank 5 is out of range [0, 1)") } },
      });
      return "400 `out of range [0, 1)`: by this the number of ranks can be found";
    },
  },
  {
    topic: "Refusals",
    holds: "more rows than `--max-num-queued-reqs`, which counts those that run, too: load, not death",
    on: "tuned",
    async run(engine) {
      const empty = await engine.fill();
      const said = await askChat(engine, {});
      await empty();
      expectRefusal(said, {
        status: 503,
        type: "Service Unavailable",
        param: null,
        message: "The engine is currently busy and cannot accept new requests.",
        kind: "busy",
      });
      expect(said.headers.get("retry-after")).toBeNull();
      // it takes rows again
      expect((await askChat(engine, {})).status).toBe(200);
      return "503 without Retry-After: `busy`, no row is charged";
    },
  },
];

/** The last one: nothing answers afterwards. */
export const stopCase: Case = {
  topic: "Refusals",
  holds: "SIGTERM with `--shutdown-timeout`, and rows in flight that take longer than it",
  on: "tuned",
  async run(engine) {
    const hangUp = new AbortController();
    const inFlight = askChat(engine, endless, {}, hangUp.signal).catch(() => null);
    await until("the row runs", async () => (await metric(engine, "vllm:num_requests_running")) > 0);
    engine.stop();
    const refused: Said[] = [];
    await until("nobody listens any more", async () => {
      const said = await askChat(engine, { max_tokens: 1 }).catch(() => null);
      if (said !== null && said.status !== 200) refused.push(said);
      return said === null;
    });
    for (const said of refused) {
      expect([500, 503]).toContain(said.status);
      expect(["busy", "lost"]).toContain(failureOf(said).kind);
    }
    // vLLM answers it, or forgets it and waits for ever for its client to hang up
    const silent = sleep(2_000, "silent" as const, { signal: hangUp.signal }).catch(() => null);
    const end = await Promise.race([inFlight, silent]);
    hangUp.abort();
    if (end !== "silent")
      expect(failureOf(end ?? raise("the row was cut"))).toMatchObject({ status: 500, kind: "lost" });
    return "new rows: 500 `cannot schedule new futures after shutdown`, then no port; rows in flight: 500 `EngineCore encountered an issue`, or no answer on an open connection";
  },
};

function raise(what: string): never {
  throw new Error(what);
}
