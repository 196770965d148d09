import { describe, expect, test } from "@jest/globals";
import { completionFromChat, completionFromText, failureFromHttp } from "../src/wire.ts";

const saying = (message: string, param: string | null = null) => ({ error: { message, param } });

describe("wire: what an HTTP status means", () => {
  test.each<[number, unknown, string]>([
    [400, saying("principle must come last"), "rejected"],
    [422, saying("no such field"), "rejected"],
    [400, saying("This model's maximum context length is 4096 tokens."), "too_long"],
    [400, saying("max_tokens=16000 cannot be greater than max_model_len=4096."), "too_long"],
    [400, saying("x", "input_tokens"), "too_long"],
    [400, saying("x", "max_tokens"), "too_long"],
    [404, saying("The model `x` does not exist."), "wrong_model"],
    [401, saying("Unauthorized"), "denied"],
    [403, null, "denied"],
    [429, null, "busy"],
    [503, "<html>", "busy"],
    [500, saying("EngineCore encountered an issue."), "lost"],
    [502, "<html>", "lost"],
    [504, null, "lost"],
    [524, "<html>", "lost"],
    [500, saying("boom"), "server_error"],
    [418, null, "rejected"],
  ])("%i %j is %s", (status, body, kind) => {
    expect(failureFromHttp(status, body, null, 0)).toMatchObject({ kind, status });
  });

  test("the engine's words: in either shape, cut, and never ending in half a character", () => {
    expect(failureFromHttp(400, { error: "plain" }, null, 0).message).toBe("plain");
    expect(failureFromHttp(502, "<html>", null, 0).message).toBe("HTTP 502");
    const long = failureFromHttp(400, saying(`${"x".repeat(299)}\u{1f600}${"y".repeat(500)}`), null, 0).message;
    expect(long).toHaveLength(300);
    expect(long.isWellFormed()).toBe(true);
  });

  test.each([
    ["7", 7_000],
    ["0", 0],
    ["0.5", 500],
    ["-1", null],
    ["Wed, 21 Oct 2026 07:28:09 GMT", 9_000],
    ["Wednesday, 21-Oct-26 07:28:09 GMT", 9_000],
    ["Wed, 21 Oct 2026 07:27:00 GMT", 0],
    ["Thu, 22 Oct 2026 07:28:00 GMT", 900_000],
    ["86400", 900_000],
    ["Wed, soon GMT", null],
    ["tomorrow", null],
    ["", null],
    [null, null],
  ])("retry-after %j is %j ms", (header, ms) => {
    expect(failureFromHttp(429, null, header, Date.UTC(2026, 9, 21, 7, 28, 0)).retryAfterMs).toBe(ms);
  });
});

describe("wire: answers of another shape say so and quote nothing", () => {
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

test.each([
  ["temperature must be non-negative. (parameter=messages, value=a prompt (with a secret))"],
  ["1 validation error: [{'type': 'string_type', 'loc': ('body',), 'input': {'content': 'a secret'}}]"],
])("what an engine repeats of the request is left out of its message: %s", (message) => {
  const failure = failureFromHttp(400, { error: { message } }, null, 0);
  expect(failure.message).toMatch(/^(temperature must|1 validation error)/);
  expect(failure.message).not.toContain("secret");
});
