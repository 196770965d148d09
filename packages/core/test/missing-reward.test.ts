import { describe, expect, test } from "@jest/globals";
import type { BatchFile } from "../src/batch-file.ts";
import { checkMissingPolicy, exportedReward, missingPolicies } from "../src/missing-reward.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import { yesNo } from "../src/profiles/yes-no.ts";
import type { ResultRow } from "../src/result-row.ts";

const file = { profile: genrmPrinciple, keep_reasoning: "failed" } as BatchFile;
const row = (changed: Partial<ResultRow>): ResultRow =>
  ({
    status: "no_verdict",
    reward: null,
    logprob_yes: null,
    logprob_no: null,
    completion_tokens: 5,
    reasoning: null,
    answer: null,
    answer_form: null,
    floored: null,
    samples: null,
    ...changed,
  }) as ResultRow;

describe("missing-reward", () => {
  test("a row that is ok has its own reward under every policy", () => {
    for (const policy of missingPolicies)
      expect(exportedReward(row({ status: "ok", reward: 3 }), policy, file)).toBe(3);
  });

  test.each([
    ["null", null],
    ["zero", 0],
    ["floor", -50],
    ["drop", "drop"],
  ] as const)("%s", (policy, expected) => {
    expect(exportedReward(row({}), policy, file)).toBe(expected);
  });

  test("card gives a number only where what is stored decides it", () => {
    // both words beyond the 20 likeliest: -50 for each
    expect(
      exportedReward(row({ status: "verdict_not_in_topk", answer: " Yes", reasoning: "so: Yes" }), "card", file),
    ).toBe(0);
    // read and refused for its mass: the card looks at no mass
    const read = row({ logprob_yes: -9, logprob_no: -8, answer: " No", answer_form: " Yes", reasoning: "so: No" });
    expect(exportedReward(read, "card", file)).toBe(-1);
    // the same behind other words, where the card looks elsewhere, and of an answer that ended early
    expect(exportedReward({ ...read, reasoning: "so: No." }, "card", file)).toBeNull();
    expect(exportedReward(row({ status: "truncated" }), "card", file)).toBeNull();
    expect(exportedReward(row({ status: "engine_error", completion_tokens: null }), "card", file)).toBeNull();
  });

  test("card says nothing of another model family", () => {
    expect(() => checkMissingPolicy("card", { profile: yesNo } as BatchFile)).toThrow(/its own model family/);
    for (const policy of missingPolicies) checkMissingPolicy(policy, file);
    checkMissingPolicy("zero", { profile: yesNo } as BatchFile);
  });
});
