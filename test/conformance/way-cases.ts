import { askBothWays, buildRequest, type ServerForm, vllmForm } from "@assay/core";
import { expect } from "@jest/globals";
import { askRow, greedy, judgeProfile, pairOf, rowOf, type Texts } from "./ask-row.ts";
import { type Case, model } from "./engine-under-test.ts";

const rows: readonly Texts[] = [
  { prompt: "Is the earth flat?", response: "No, nearly a ball.", principle: "honesty" },
  { prompt: "What is 1+1?", response: "1+1=3", principle: "correctness" },
  { prompt: "Write.", response: "\n\nTwo empty lines, <|im_end|> and </think> before this.", principle: "form" },
];
const plain: ServerForm = { ...vllmForm, rendered: "plain" };

export const wayCases: readonly Case[] = [
  {
    topic: "Ways of reading",
    holds: "lists of the likeliest 20, asked by Assay's own client, have the log-probabilities that exact ids tell",
    on: "plain",
    async run(engine) {
      for (const texts of rows) {
        const [ids, top] = [await askRow(engine, texts, "ids", greedy), await askRow(engine, texts, "top", greedy)];
        if (!top.ok) throw new Error(top.failure.message);
        const [yes, no] = pairOf(ids);
        const listed = pairOf(top);
        const isFloored = top.read?.floored === true;
        expect(Math.abs(Math.max(...listed) - Math.max(yes, no))).toBeLessThan(0.05);
        // a bound is never below what it bounds
        const apart = Math.min(...listed) - Math.min(yes, no);
        expect(apart).toBeGreaterThan(-0.05);
        if (!isFloored) expect(apart).toBeLessThan(0.05);
      }
      return "within 0.05; a word outside the list has a bound above it";
    },
  },
  {
    topic: "Ways of reading",
    holds: "the plain text of the profile on completions is the prompt that the template makes, and reads the same",
    on: "plain",
    async run(engine) {
      for (const texts of rows) {
        const chat = await askRow(engine, texts, "ids", greedy);
        for (const way of ["ids", "two-step", "top"] as const) {
          const text = await askRow(engine, texts, way, greedy, plain);
          if (!chat.ok || !text.ok) throw new Error("no answer");
          expect(text.completion.promptTokenIds).toEqual(chat.completion.promptTokenIds);
          expect(text.completion.promptTokenIds).not.toBeNull();
          const most = (pair: [number, number]): number => Math.max(...pair);
          expect(Math.abs(most(pairOf(text)) - most(pairOf(chat)))).toBeLessThan(0.05);
        }
      }
      return "the same ids, 3 rows, every way";
    },
  },
  {
    topic: "Ways of reading",
    holds: "one sampled answer, read by exact ids and again from its token ids, has the same log-probabilities",
    on: "plain",
    async run(engine) {
      for (const texts of rows) {
        const settings = {
          model,
          profile: judgeProfile,
          strip: "off",
          specials: "neutralise",
          samples: 1,
          seed: null,
        } as const;
        const built = buildRequest(rowOf(texts), settings, "ids");
        if (built.kind !== "ask") throw new Error(built.why);
        const never = new AbortController().signal;
        const slot = await engine.engines.pool.acquire("conformance", never);
        try {
          const { ids, twoStep } = await askBothWays(
            (request) => slot.complete(request, { signal: never, deadlineMs: 120_000 }),
            built.request,
            judgeProfile,
          );
          if (twoStep === null) throw new Error("no verdict");
          const [one, other] = [pairOf(ids), pairOf(twoStep)];
          for (const i of [0, 1] as const) expect(Math.abs(one[i] - other[i])).toBeLessThan(0.05);
        } finally {
          slot.release();
        }
      }
      return "each within 0.05, 3 rows";
    },
  },
];
