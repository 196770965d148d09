import { findVerdict, logprobsAt, profileByName, readVerdict, verdictIds } from "@assay/core";
import { expect } from "@jest/globals";
import { type Case, chat, complete, completionOf, type EngineUnderTest } from "./engine-under-test.ts";

const profile = profileByName("genrm-principle") ?? raise("no such profile");
const ids = verdictIds(profile);
const [yes, no] = [7_414, 2_308];
const asked = { logprobs: true, top_logprobs: 0, logprob_token_ids: ids, return_token_ids: true };

/** What the two ids of the verdict are told to have, behind the same prefix, under this sampling. */
async function readUnder(engine: EngineUnderTest, sampling: object): Promise<{ yes: number; no: number }> {
  const answer = await chat(engine, { return_token_ids: true });
  const found = findVerdict(completionOf(answer), profile);
  if (!found.found) return raise(found.why);
  const prefix = [...(answer.prompt_token_ids ?? []), ...(answer.choices[0].token_ids ?? []).slice(0, found.position)];
  const fields = { logprob_token_ids: [yes, no], return_tokens_as_token_ids: true, seed: 1, ...sampling };
  const told = (await complete(engine, prefix, fields)).choices[0].logprobs?.top_logprobs[0] ?? {};
  return { yes: told[`token_id:${yes}`] ?? Number.NaN, no: told[`token_id:${no}`] ?? Number.NaN };
}

const margin = (read: { yes: number; no: number }) => read.yes - read.no;
const defaults = { temperature: 0.6, top_k: 20, top_p: 0.95 };

export const modeCases: readonly Case[] = [
  {
    topic: "Modes",
    holds: "without a reasoning parser the thinking and its tags stand in `content`",
    on: "plain",
    async run(engine) {
      const { message } = (await chat(engine, {})).choices[0];
      expect(message.content).toMatch(/^<think>[\s\S]+<\/think>\n\nFinal Judgement: (Yes|No)$/);
      expect(message.reasoning).toBeNull();
      return "`reasoning` is null";
    },
  },
  {
    topic: "Modes",
    holds: "with `--reasoning-parser qwen3` the thinking stands apart, and every id and log-probability is still told",
    on: "tuned",
    async run(engine) {
      const answer = await chat(engine, asked);
      const [{ message, token_ids, logprobs }] = answer.choices;
      expect(message.reasoning).toMatch(/\w/);
      expect(message.content).toMatch(/^\s*Final Judgement: (Yes|No)$/);
      expect([token_ids?.length, logprobs?.content.length]).toEqual(Array(2).fill(answer.usage.completion_tokens));
      const completion = completionOf(answer, ids);
      const found = findVerdict(completion, profile);
      if (!found.found) return raise(found.why);
      const at = logprobsAt(completion, found.position) ?? raise("not told");
      expect(readVerdict(at, found.form, profile, "ids").status).toBe("ok");
      return "the verdict is found and read";
    },
  },
  {
    topic: "Modes",
    holds: "with it, an answer cut off in its thinking has no `content`",
    on: "tuned",
    async run(engine) {
      const answer = await chat(engine, { max_tokens: 4, return_token_ids: true });
      const [{ message, finish_reason }] = answer.choices;
      expect({ content: message.content, finish_reason }).toEqual({ content: null, finish_reason: "length" });
      expect(findVerdict(completionOf(answer), profile)).toMatchObject({ found: false, status: "truncated" });
      return "null, `length`";
    },
  },
  {
    topic: "Modes",
    holds: "with it, `include_reasoning: false` takes the log-probabilities away: Assay never sends it",
    on: "tuned",
    async run(engine) {
      const [{ message, logprobs }] = (await chat(engine, { ...asked, include_reasoning: false })).choices;
      expect({ reasoning: message.reasoning, logprobs }).toEqual({ reasoning: null, logprobs: null });
      return "`logprobs` is null";
    },
  },
  {
    topic: "Modes",
    holds: "raw log-probabilities, the default: temperature and filters do not change them",
    on: "plain",
    async run(engine) {
      const greedy = await readUnder(engine, {});
      for (const sampling of [{ temperature: 1 }, { temperature: 0.5, top_k: 20 }, { temperature: 0.6, top_p: 0.1 }]) {
        const read = await readUnder(engine, sampling);
        expect(read.yes).toBeCloseTo(greedy.yes, 1);
        expect(read.no).toBeCloseTo(greedy.no, 1);
      }
      return "the same under three samplings";
    },
  },
  {
    topic: "Modes",
    holds: "`--logprobs-mode processed_logprobs` divides them by the temperature",
    on: "tuned",
    async run(engine) {
      const plain = margin(await readUnder(engine, { temperature: 1 }));
      expect(margin(await readUnder(engine, { temperature: 0.5 })) / plain).toBeCloseTo(2, 1);
      expect(margin(await readUnder(engine, { temperature: 0.25 })) / plain).toBeCloseTo(4, 1);
      return "2 times at 0.5, 4 times at 0.25";
    },
  },
  {
    topic: "Modes",
    holds: "there, what a filter leaves out has -9999",
    on: "tuned",
    async run(engine) {
      const { yes: one, no: other } = await readUnder(engine, { temperature: 1, top_k: 1 });
      expect(Math.min(one, other)).toBe(-9_999);
      expect(Math.max(one, other)).toBeCloseTo(0, 3);
      return "-9999 for the loser under `top_k: 1`";
    },
  },
  {
    topic: "Modes",
    holds: "there, a read at temperature 0 is raw all the same: the second request of two steps",
    on: "tuned",
    async run(engine) {
      const greedy = margin(await readUnder(engine, { temperature: 0 }));
      expect(margin(await readUnder(engine, { temperature: 1 }))).toBeCloseTo(greedy, 1);
      return "as at temperature 1 without filters";
    },
  },
  {
    topic: "Modes",
    holds: "a sampling parameter that is left out comes from the checkpoint's generation_config: Assay sends every one",
    on: "tuned",
    async run(engine) {
      const nothing = { temperature: undefined, top_p: undefined, top_k: undefined };
      const left = await readUnder(engine, nothing);
      const named = await readUnder(engine, defaults);
      expect(left.yes).toBeCloseTo(named.yes, 1);
      expect(left.no).toBeCloseTo(named.no, 1);
      const unfiltered = await readUnder(engine, { temperature: 1 });
      expect(Math.abs(margin(left) / margin(unfiltered))).toBeGreaterThan(1.5);
      return "as 0.6, 0.95 and 20";
    },
  },
];

function raise(what: string): never {
  throw new Error(what);
}
