import { type Completion, completionFromChat, completionFromText, verdictIds } from "@assay/core";
import { collectStream } from "@assay/engine/openai";
import { expect } from "@jest/globals";
import { askRow, greedy, judgeProfile, pairOf } from "./ask-row.ts";
import {
  ask,
  askChat,
  type Case,
  chat,
  completionOf,
  type EngineUnderTest,
  endless,
  maxModelLen,
  metric,
  model,
  until,
} from "./engine-under-test.ts";

/** What Assay, its dashboard and its alerts read. */
const metrics = [
  "process_start_time_seconds",
  "vllm:admission_rejections_total",
  "vllm:cache_config_info",
  "vllm:generation_tokens_total",
  "vllm:kv_cache_usage_perc",
  "vllm:num_preemptions_total",
  "vllm:num_requests_running",
  "vllm:num_requests_waiting",
  "vllm:prefix_cache_hits_total",
  "vllm:prefix_cache_queries_total",
  "vllm:prompt_tokens_total",
  "vllm:request_success_total",
];

const ids = verdictIds(judgeProfile);

export const engineCases: readonly Case[] = [
  {
    topic: "The engine",
    holds: "Assay's probe passes",
    on: "plain",
    async run({ engines }) {
      const [report] = await engines.examine(judgeProfile, model);
      expect(report?.checks.filter(({ ok }) => !ok)).toEqual([]);
      expect(report?.facts).toMatchObject({ maxModelLen, ways: ["two-step", "ids"], pin: { logprobs: "raw" } });
      return "raw; two steps and exact ids";
    },
  },
  {
    topic: "The engine",
    holds: "the probe notices processed log-probabilities, and leaves the way that they do not touch",
    on: "tuned",
    async run({ engines }) {
      const [report] = await engines.examine(judgeProfile, model);
      expect(report?.checks.filter(({ ok }) => !ok)).toEqual([]);
      expect(report?.facts).toMatchObject({ ways: ["two-step"], pin: { logprobs: "processed" } });
      return "processed; two steps";
    },
  },
  {
    topic: "The engine",
    holds: "a row asked by Assay's own client has the same log-probabilities both ways",
    on: "plain",
    async run(engine) {
      const texts = { prompt: "Is the earth flat?", response: "No, nearly a ball.", principle: "honesty" };
      const [yes, no] = pairOf(await askRow(engine, texts, "two-step", greedy));
      const [yesByIds, noByIds] = pairOf(await askRow(engine, texts, "ids", greedy));
      expect(Math.abs(yes - yesByIds)).toBeLessThan(0.05);
      expect(Math.abs(no - noByIds)).toBeLessThan(0.05);
      return "within 0.05";
    },
  },
  ...(["plain", "tuned"] as const).map(
    (on): Case => ({
      topic: "The engine",
      holds:
        on === "plain"
          ? "an answer that is streamed brings, put together, what the whole one brings: text, ids, log-probabilities, usage"
          : "the same with a reasoning parser, which sends thinking and text apart",
      on,
      async run(engine) {
        const asked = { return_token_ids: true, logprobs: true, top_logprobs: 0, logprob_token_ids: ids };
        const whole = completionOf(await chat(engine, asked), ids);
        const streamed = await askChat(engine, { ...asked, stream: true, stream_options: { include_usage: true } });
        expect(streamed.headers.get("content-type")).toMatch(/^text\/event-stream/);
        const collected = await collectStream(bytesOf(String(streamed.body)));
        if (collected.kind !== "answer") throw new Error(`the stream is ${collected.kind}`);
        expectSame(completionFromChat(collected.body, 0, ids, collected.skipped), whole);
        return "equal, and the ids of the prompt with the first event";
      },
    }),
  ),
  {
    topic: "The engine",
    holds: "the same of a prompt that is sent as text, on /v1/completions",
    on: "plain",
    async run(engine) {
      const fields = {
        prompt: "The earth is flat. Is that right? Think about it, then answer Yes or No.",
        max_tokens: 40,
        return_token_ids: true,
        return_tokens_as_token_ids: true,
        logprob_token_ids: ids,
      };
      const whole = completionFromText(await completeText(engine, fields), 0);
      const streamed = await completeText(engine, { ...fields, stream: true, stream_options: { include_usage: true } });
      const collected = await collectStream(bytesOf(String(streamed)));
      if (collected.kind !== "answer") throw new Error(`the stream is ${collected.kind}`);
      expectSame(completionFromText(collected.body, 0, collected.skipped), whole);
      return "equal, and the ids of the prompt with the first tokens";
    },
  },
  {
    topic: "The engine",
    holds: "a client that hangs up frees its rows",
    on: "plain",
    async run(engine) {
      const hangUp = new AbortController();
      const running = () => metric(engine, "vllm:num_requests_running");
      const rows = Array.from({ length: 4 }, () =>
        askChat(engine, endless, {}, hangUp.signal).then(
          () => "answered",
          () => "cut",
        ),
      );
      await until("four rows run", async () => (await running()) === 4);
      hangUp.abort();
      expect(await Promise.all(rows)).toEqual(Array(4).fill("cut"));
      await until("none runs", async () => (await running()) === 0, 5_000);
      return "4 of 4 leave the engine before their end";
    },
  },
  {
    topic: "The engine",
    holds: "`/metrics` has the series that Assay reads, with an `engine` label",
    on: "plain",
    async run(engine) {
      const page = String((await ask(engine, "/metrics")).body);
      expect(metrics.filter((name) => !new RegExp(`^${name}[{ ]`, "m").test(page))).toEqual([]);
      expect(page).toMatch(/^vllm:num_requests_running\{engine="0",model_name="judge"\}/m);
      return metrics.map((name) => `\`${name}\``).join(", ");
    },
  },
];

async function completeText(engine: EngineUnderTest, fields: object): Promise<unknown> {
  const body = { model, temperature: 0, top_p: 1, top_k: -1, logprobs: 0, ...fields };
  const { status, body: said } = await ask(engine, "/v1/completions", body);
  if (status !== 200) throw new Error(`expected 200, got ${status}: ${JSON.stringify(said).slice(0, 300)}`);
  return said;
}

function expectSame(streamed: Completion, whole: Completion): void {
  const { logprobs, ...completion } = streamed;
  const { logprobs: wholeLogprobs, ...wholeCompletion } = whole;
  // the second of two equal requests finds more in the cache
  expect(completion).toEqual({ ...wholeCompletion, usage: expect.objectContaining({ ...tokensOf(whole) }) });
  expect(logprobs).toHaveLength(8);
  for (const [i, { sampled, told }] of (logprobs ?? []).entries()) {
    expect(sampled.id).toBe(wholeLogprobs?.[i]?.sampled.id);
    for (const [k, { id, logprob }] of told.entries()) {
      expect(id).toBe(wholeLogprobs?.[i]?.told[k]?.id);
      expect(Math.abs(logprob - (wholeLogprobs?.[i]?.told[k]?.logprob ?? 0))).toBeLessThan(0.05);
    }
  }
}

function tokensOf({ usage }: Completion) {
  return { promptTokens: usage.promptTokens, completionTokens: usage.completionTokens };
}

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}
