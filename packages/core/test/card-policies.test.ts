import { describe, expect, test } from "@jest/globals";
import { profileByName } from "../src/built-in-profiles.ts";
import {
  areAmongLikeliest,
  cardPolicies,
  hasCardPolicies,
  type PolicyGiven,
  type SeenAnswer,
  seenAnswer,
} from "../src/card-policies.ts";
import type { ResultRow } from "../src/result-row.ts";

/** An answer of which all is known, with what a test wants otherwise. */
const seen = (parts: Partial<SeenAnswer> = {}): SeenAnswer => ({
  answered: true,
  text: "It is right.\n\nFinal Judgement: Yes",
  isWhole: true,
  logprobYes: -0.25,
  logprobNo: -1.5,
  missing: "none",
  isSecondLast: true,
  ...parts,
});

/** What is certain as a number; else every outcome with its conditions, and "unknown" where they are not all. */
type Told = number | "unknown" | readonly (readonly [number, ...string[]] | "unknown")[];
const told = ({ outcomes, unknown }: PolicyGiven): Told => {
  const [only] = outcomes;
  if (only === undefined) return unknown === null ? [] : "unknown";
  if (outcomes.length === 1 && only.when.length === 0) return only.reward;
  return [
    ...outcomes.map(({ reward, when }) => [reward, ...when] as const),
    ...(unknown === null ? [] : (["unknown"] as const)),
  ];
};

const last = "the verdict is the last token but one";
const says = 'the answer says exactly "Final Judgement:"';
const saysNot = 'the answer nowhere says exactly "Final Judgement:"';
const [ifYes, ifNo] = ["the right answer is Yes", "the right answer is No"];
const among = "both words are among the 20 likeliest tokens";
const notAmong = "one of the words is not among the 20 likeliest tokens";

describe("NVIDIA's three policies", () => {
  test.each<[string, Partial<SeenAnswer>, [card: Told, rlhf: Told, training: Told]]>([
    [
      "all is known",
      {},
      [
        1.25,
        1.25,
        [
          [1.25, ifYes],
          [-1.25, ifNo],
        ],
      ],
    ],
    [
      "a loser below the floor: the card clips it, and nobody knows whether it is in a list of 20",
      { logprobYes: 0, logprobNo: -60 },
      [
        50,
        [
          [60, among],
          [0, notAmong],
        ],
        [
          [60, ifYes],
          [-60, ifNo],
        ],
      ],
    ],
    [
      "a loser that the server did not list is -50, 0, or -50 when it was right: never its bound",
      { logprobYes: -0.25, logprobNo: -12, missing: "lesser" },
      [
        49.75,
        0,
        [
          [49.75, ifYes],
          [-50, ifNo],
        ],
      ],
    ],
    [
      "the same the other way round",
      { logprobYes: -12, logprobNo: -0.25, missing: "lesser" },
      [
        -49.75,
        0,
        [
          [-50, ifYes],
          [49.75, ifNo],
        ],
      ],
    ],
    ["both are missing", { logprobYes: null, logprobNo: null, missing: "both" }, [0, 0, -50]],
    [
      "truncated, the whole text is known: the card reads a token that nobody stored",
      { text: "It is", logprobYes: null, logprobNo: null, isSecondLast: null },
      ["unknown", 0, -50],
    ],
    [
      "truncated, its end is known",
      { text: "It is", isWhole: false, logprobYes: null, logprobNo: null, isSecondLast: null },
      ["unknown", [[0, saysNot], "unknown"], [[-50, saysNot], "unknown"]],
    ],
    [
      "truncated behind the anchor",
      { text: "Final Judgement:", isWhole: false, logprobYes: null, logprobNo: null, isSecondLast: null },
      ["unknown", "unknown", "unknown"],
    ],
    [
      "ok without a kept text, as most rows are stored",
      { text: null, isWhole: false, isSecondLast: null },
      [
        [[1.25, last]],
        [
          [1.25, says, last],
          [0, saysNot],
        ],
        [
          [1.25, ifYes, says, last],
          [-1.25, ifNo, says, last],
          [-50, saysNot],
        ],
      ],
    ],
    ["a dot behind the verdict: they read the dot's place", { isSecondLast: false }, ["unknown", "unknown", "unknown"]],
    [
      "the other spelling, which Assay reads and the RLHF environment does not",
      { text: "Final Judgment: Yes" },
      [1.25, 0, -50],
    ],
    ["nothing was answered", { answered: false }, ["unknown", "unknown", "unknown"]],
  ])("%s", (_, parts, expected) => {
    expect(cardPolicies(seen(parts)).map(told)).toEqual(expected);
  });

  test("name where they are from", () => {
    expect(cardPolicies(seen()).map(({ policy, source }) => [policy, source])).toEqual([
      ["model card", expect.stringContaining("Qwen3-Nemotron-32B-GenRM-Principle")],
      ["RLHF environment", expect.stringContaining("principle_genrm_for_rlhf_environment.py")],
      ["training environment", expect.stringContaining("principle_genrm_environment.py")],
    ]);
  });

  test("are for profiles that read 7414 and 2308 behind an anchor", () => {
    expect(hasCardPolicies(profileByName("genrm-principle")!)).toBe(true);
    expect(hasCardPolicies(profileByName("scalar-principle")!)).toBe(false);
    expect(hasCardPolicies(profileByName("yes-no")!)).toBe(false);
  });
});

test.each<[number, number, boolean]>([
  [-0.25, -1.5, true],
  // 18 others of the same probability fit beside it, a 19th does not
  [Math.log(0.1), Math.log(0.9 / 18.9), true],
  [Math.log(0.1), Math.log(0.9 / 20), false],
  // what is left is not known so finely
  [0, -20, false],
])("%p and %p are certainly among the 20 likeliest: %p", (yes, no, expected) => {
  expect(areAmongLikeliest(20, yes, no)).toBe(expected);
});

describe("what a stored row tells", () => {
  const row = (parts: Partial<ResultRow>): ResultRow =>
    ({
      status: "ok",
      completion_tokens: 9,
      reasoning: null,
      answer: " Yes",
      answer_form: " Yes",
      logprob_yes: -1,
      logprob_no: -2,
      floored: false,
      ...parts,
    }) as ResultRow;

  test.each<[string, Partial<ResultRow>, "all" | "failed", Partial<SeenAnswer>]>([
    ["nothing kept", {}, "failed", { text: null, isWhole: false, isSecondLast: null, logprobYes: -1, logprobNo: -2 }],
    ["all kept", { reasoning: `${"x".repeat(3_000)} Yes` }, "all", { isWhole: true, isSecondLast: true }],
    ["a dot behind it", { reasoning: "so: Yes." }, "all", { isSecondLast: false }],
    ["an end kept", { reasoning: "x".repeat(2_000), answer: null }, "failed", { isWhole: false, isSecondLast: null }],
    ["a short text kept", { reasoning: "x", answer: null }, "failed", { isWhole: true }],
    ["another form", { answer: "Yes", answer_form: "Yes" }, "failed", { logprobYes: null, logprobNo: null }],
    ["a bound", { floored: true }, "failed", { missing: "lesser" }],
    ["a top list without both", { status: "verdict_not_in_topk", logprob_yes: null }, "failed", { missing: "both" }],
    ["no answer", { status: "engine_error", completion_tokens: null }, "failed", { answered: false }],
  ])("%s", (_, parts, keep, expected) => {
    expect(seenAnswer(row(parts), keep)).toMatchObject(expected);
  });
});
