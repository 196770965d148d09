import { expect } from "@jest/globals";
import { askRow, greedy, judgeProfile, pairOf } from "./ask-row.ts";
import { ask, askChat, type Case, endless, maxModelLen, metric, model, until } from "./engine-under-test.ts";

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
