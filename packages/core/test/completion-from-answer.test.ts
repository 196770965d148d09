import { describe, expect, test } from "@jest/globals";
import { completionFromChat, completionFromText } from "../src/completion-from-answer.ts";

describe("answers of another shape say so and quote nothing", () => {
  test.each([
    null,
    {},
    { choices: [] },
    { choices: [{ text: 7, message: { content: 7 } }], usage: { prompt_tokens: 1 } },
    "SECRET",
  ])("%j", (body) => {
    expect(() => completionFromChat(body, 0)).toThrow(/^not a chat completion/);
    expect(() => completionFromText(body, 0)).toThrow(/^not a completion/);
    try {
      completionFromChat(body, 0);
    } catch (error) {
      expect(String(error)).not.toContain("SECRET");
    }
  });

  test("of 16,000 positions the last eight are kept, with their place", () => {
    const content = Array.from({ length: 16_000 }, (_, i) => ({ token: `t${i}`, logprob: -1, top_logprobs: [] }));
    const completion = completionFromChat(
      {
        choices: [{ message: { content: "x" }, finish_reason: "stop", logprobs: { content } }],
        usage: { prompt_tokens: 1, completion_tokens: 16_000 },
      },
      5,
    );
    expect(completion.logprobs?.map(({ sampled }) => sampled.text)).toEqual(
      Array.from({ length: 8 }, (_, i) => `t${15_992 + i}`),
    );
    expect(completion).toMatchObject({ logprobsEnd: 16_000, latencyMs: 5, tokenIds: null, promptTokenIds: null });
  });

  test("a log-probability above 0 is none: refused in either shape, but for rounding", () => {
    const usage = { prompt_tokens: 1 };
    const chat = (logprob: number) => {
      const content = [{ token: " Yes", logprob: -1, top_logprobs: [{ token: " No", logprob }] }];
      const choice = { message: { content: "x" }, finish_reason: "stop", logprobs: { content } };
      return () => completionFromChat({ choices: [choice], usage }, 0);
    };
    const text = (logprob: number) => {
      const told = { tokens: ["token_id:7414"], token_logprobs: [-1], top_logprobs: [{ "token_id:2308": logprob }] };
      return () => completionFromText({ choices: [{ text: " Yes", logprobs: told }], usage }, 0);
    };
    for (const answer of [chat, text]) {
      expect(answer(1e-6)).not.toThrow();
      expect(answer(0.5)).toThrow(/^not a (chat )?completion: a log-probability/);
    }
  });

  test("the asked ids stand in the order of asking, the sampled one in front and not twice", () => {
    const position = (sampled: number, told: string[]) =>
      completionFromChat(
        {
          choices: [
            {
              message: { content: "x" },
              finish_reason: "length",
              token_ids: [sampled],
              logprobs: {
                content: [{ token: "t", logprob: -1, top_logprobs: told.map((token) => ({ token, logprob: -1 })) }],
              },
            },
          ],
          usage: { prompt_tokens: 1 },
        },
        0,
        [7414, 2308],
      ).logprobs?.[0]?.told.map(({ id }) => id);
    expect(position(7414, ["t", " No"])).toEqual([7414, 2308]);
    expect(position(2308, ["t", " Yes"])).toEqual([2308, 7414]);
    expect(position(13, ["t", " Yes", " No"])).toEqual([13, 7414, 2308]);
    // a list of another length is not the one that was asked for: no id is guessed
    expect(position(13, ["t", " Yes", " No", "x"])).toEqual([null, null, null, null]);
  });
});
