import { expect } from "@jest/globals";
import { ask, type Case, chat, complete, type Entry, model } from "./engine-under-test.ts";

const yes = 7_414;
const no = 2_308;
const endOfTurn = 151_645;
/** Ids that this model never writes. */
const unlikely = [100_000, 151_935];

const exact = { logprobs: true, logprob_token_ids: [yes, no], return_token_ids: true };

export const logprobCases: readonly Case[] = [
  {
    topic: "Log-probabilities",
    holds: "`return_token_ids` tells every id of the prompt and of the answer, with no log-probabilities asked for",
    on: "plain",
    async run(engine) {
      const { choices, prompt_token_ids, usage } = await chat(engine, { return_token_ids: true });
      const [{ token_ids, message, logprobs, finish_reason }] = choices;
      expect({ logprobs, finish_reason }).toEqual({ logprobs: null, finish_reason: "stop" });
      expect([prompt_token_ids?.length, token_ids?.length]).toEqual([usage.prompt_tokens, usage.completion_tokens]);
      const { body } = await ask(engine, "/detokenize", { model, tokens: token_ids?.slice(0, -1) });
      expect(body).toEqual({ prompt: message.content });
      return "both lists";
    },
  },
  {
    topic: "Log-probabilities",
    holds: "the end-of-turn token is the last id and the last entry; the verdict stands before it",
    on: "plain",
    async run(engine) {
      const [{ token_ids, logprobs, message }] = (await chat(engine, exact)).choices;
      expect(logprobs?.content.length).toBe(token_ids?.length);
      expect(token_ids?.at(-1)).toBe(endOfTurn);
      expect(logprobs?.content.at(-1)?.token).toBe("<|im_end|>");
      expect([yes, no]).toContain(token_ids?.at(-2));
      expect(message.content).toMatch(/Final Judgement: (Yes|No)$/);
      return "last but one";
    },
  },
  {
    topic: "Log-probabilities",
    holds:
      "exact ids on chat: at each position the sampled token, then the ids in the order asked, the sampled one not twice",
    on: "plain",
    async run(engine) {
      const [{ token_ids, logprobs }] = (await chat(engine, { ...exact, top_logprobs: 0 })).choices;
      const words = new Map([
        [yes, " Yes"],
        [no, " No"],
      ]);
      for (const [i, id] of (token_ids ?? []).entries()) {
        const entry = logprobs?.content[i] ?? ({} as Entry);
        const others = [...words].flatMap(([other, word]) => (other === id ? [] : [word]));
        expect(entry.top_logprobs.map(({ token }) => token)).toEqual([entry.token, ...others]);
        expect(entry.top_logprobs[0]?.logprob).toBe(entry.logprob);
      }
      return "2 entries at the verdict, 3 elsewhere";
    },
  },
  {
    topic: "Log-probabilities",
    holds: "exact ids take the place of a top list that is asked for beside them",
    on: "plain",
    async run(engine) {
      const [{ logprobs: alone }] = (await chat(engine, exact)).choices;
      const [{ logprobs: beside }] = (await chat(engine, { ...exact, top_logprobs: 20 })).choices;
      const names = (entries: readonly Entry[] | undefined) =>
        entries?.map((entry) => entry.top_logprobs.map(({ token }) => token));
      expect(names(beside?.content)).toEqual(names(alone?.content));
      return "the top list is gone";
    },
  },
  {
    topic: "Log-probabilities",
    holds: "exact ids are told however unlikely they are",
    on: "plain",
    async run(engine) {
      const [{ logprobs }] = (await chat(engine, { ...exact, logprob_token_ids: [yes, no, ...unlikely] })).choices;
      const at = logprobs?.content.at(-2)?.top_logprobs ?? [];
      expect(at).toHaveLength(4);
      for (const { logprob } of at) expect(logprob).toBeGreaterThan(-1_000);
      return "finite numbers";
    },
  },
  {
    topic: "Log-probabilities",
    holds: "a top list of 20 is sorted, and the likelier verdict stands first in it",
    on: "plain",
    async run(engine) {
      const [{ logprobs }] = (await chat(engine, { logprobs: true, top_logprobs: 20 })).choices;
      const verdict = logprobs?.content.at(-2) ?? ({} as Entry);
      expect(verdict.top_logprobs).toHaveLength(20);
      const told = verdict.top_logprobs.map(({ logprob }) => logprob);
      expect(told).toEqual(told.toSorted((a, b) => b - a));
      expect(verdict.top_logprobs[0]?.token).toBe(verdict.token);
      return "20 entries";
    },
  },
  {
    topic: "Log-probabilities",
    holds: "exact ids on completions are keyed `token_id:7414` where asked for, and by their text otherwise",
    on: "plain",
    async run(engine) {
      const { prompt_token_ids } = await chat(engine, { return_token_ids: true });
      const asked = { logprob_token_ids: [yes, no, ...unlikely] };
      const byId = await complete(engine, prompt_token_ids ?? [], { ...asked, return_tokens_as_token_ids: true });
      const byText = await complete(engine, prompt_token_ids ?? [], asked);
      expect(Object.keys(byId.choices[0].logprobs?.top_logprobs[0] ?? {}).slice(1)).toEqual(
        asked.logprob_token_ids.map((id) => `token_id:${id}`),
      );
      expect(Object.keys(byText.choices[0].logprobs?.top_logprobs[0] ?? {})).toEqual(
        expect.arrayContaining([" Yes", " No"]),
      );
      return "both";
    },
  },
];
