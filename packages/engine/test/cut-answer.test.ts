import { type ChatRequest, type Completion, completionFromChat } from "@assay/core";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { cutAnswer } from "../src/cut-answer.ts";
import { createAnswerReader } from "../src/read-answer.ts";

const asked = [7414, 2308];
const request = { kind: "chat", text: null, logprobTokenIds: asked } as unknown as ChatRequest;

interface Body {
  choices: {
    message: { content: string };
    logprobs: { content: { token: string; logprob: number; bytes: number[]; top_logprobs: object[] }[] };
    finish_reason: string;
    token_ids: number[];
  }[];
  usage: { prompt_tokens: number; completion_tokens: number };
}

/** A body as vLLM lays it out, of tokens with any text, also one that looks like the layout itself. */
function body(tokens: readonly string[]): Body {
  return {
    choices: [
      {
        message: { content: tokens.join("") },
        logprobs: {
          content: tokens.map((token, i) => ({
            token,
            logprob: -i / 7,
            bytes: [...new TextEncoder().encode(token)],
            top_logprobs: [
              { token, logprob: -i / 7, bytes: [] },
              { token: " Yes", logprob: -1 - i, bytes: [] },
              { token: " No", logprob: -2 - i, bytes: [] },
            ],
          })),
        },
        finish_reason: "stop",
        token_ids: tokens.map((_, i) => i),
      },
    ],
    usage: { prompt_tokens: 3, completion_tokens: tokens.length },
  };
}

const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const whole = (value: unknown): Completion => completionFromChat(JSON.parse(JSON.stringify(value)), 5, asked);

function read(value: unknown): Completion {
  const outcome = createAnswerReader(() => {})(request, bytesOf(value), 5);
  if (!outcome.ok) throw new Error(outcome.failure.message);
  return outcome.completion;
}

const nasty = fc.constantFrom(
  '"logprobs":{"content":[',
  ']},"finish_reason":',
  '{"token":',
  '"top_logprobs":[',
  '\\"',
  "\\",
  "🤔",
  "\n",
);
const text = fc.oneof(
  fc.string(),
  nasty,
  fc.tuple(nasty, nasty).map((parts) => parts.join("")),
);

describe("a long answer", () => {
  test("law: cut, it reads as the whole one does, whatever its tokens say", () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 9, maxLength: 40 }), fc.integer({ min: 1, max: 30 }), (tokens, times) => {
        const long = Array.from({ length: times }, () => tokens).flat();
        // bytes that make the body long enough to be cut, in a field that nobody reads
        const value = { filler: "x".repeat(64 * 1024), ...body(long) };
        const cut = cutAnswer(bytesOf(value));
        expect(cut?.skipped).toBe(long.length - 8);
        const parsed = JSON.parse(new TextDecoder().decode(cut?.bytes)) as unknown;
        expect(completionFromChat(parsed, 5, asked, cut?.skipped)).toEqual(whole(value));
      }),
      { numRuns: 150 },
    );
  });

  test("is cut to its head and its end", () => {
    const cut = cutAnswer(bytesOf(body(Array.from({ length: 16_000 }, () => " word"))));
    expect(cut?.skipped).toBe(15_992);
    // 16,000 ids and the text remain
    expect(cut?.bytes.length).toBeLessThan(200_000);
  });
});

describe("parsed whole:", () => {
  const tokens = Array.from({ length: 2_000 }, (_, i) => `t${i}`);

  test("a short answer", () => {
    expect(cutAnswer(bytesOf(body(tokens.slice(0, 50))))).toBeNull();
  });

  test("one without log-probabilities", () => {
    const value = { ...body([]), filler: "x".repeat(100_000) };
    expect(cutAnswer(bytesOf(value))).toBeNull();
    expect(read(value).content).toBe("");
  });

  test("one laid out otherwise: another order of fields", () => {
    const { choices, usage } = body(tokens);
    const [choice] = choices;
    if (choice === undefined) throw new Error("no choice");
    const { logprobs, ...rest } = choice;
    const value = { usage, choices: [{ ...rest, logprobs }] };
    expect(read(value)).toEqual(whole(value));
  });

  test("one whose entries are not one a token", () => {
    const value = body(tokens);
    value.choices[0]?.token_ids.push(1);
    expect(read(value)).toEqual(whole(value));
  });

  test("one with entries of another shape", () => {
    const value = body(tokens);
    const content = value.choices[0]?.logprobs.content ?? [];
    content[5] = { token: "t5", logprob: -1, bytes: [] } as never;
    expect(read(value)).toEqual(whole(value));
  });
});
