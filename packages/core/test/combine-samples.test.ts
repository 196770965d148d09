import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { combineOutcomes, type SampleOutcome } from "../src/combine-outcomes.ts";
import { combineRules, combineSamples } from "../src/combine-samples.ts";
import { emptyOutcome } from "../src/make-result-row.ts";
import { profileSchema, profileSha256 } from "../src/profile.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import type { ResultSample } from "../src/result-row.ts";
import { logprobFloor, reward } from "../src/reward.ts";
import { rowKey } from "../src/row-key.ts";
import { setProfile } from "../src/set-profile.ts";
import { type Status, statuses } from "../src/status.ts";

const seed = 20_261_126;

function ok(yes: number, no: number, mass = Math.min(1, Math.exp(yes) + Math.exp(no))): ResultSample {
  return {
    ...failed("no_verdict"),
    status: "ok",
    reward: reward(yes, no),
    logprob_yes: yes,
    logprob_no: no,
    yes_no_mass: mass,
  };
}

function failed(status: Status): ResultSample {
  return {
    status,
    reward: null,
    logprob_yes: null,
    logprob_no: null,
    yes_no_mass: null,
    answer: null,
    finish_reason: null,
    completion_tokens: null,
    seed: null,
  };
}

const logprob = fc.oneof(fc.double({ min: -60, max: 0, noNaN: true }), fc.double({ min: -1, max: 0, noNaN: true }));
const okSample = fc.tuple(logprob, logprob).map(([yes, no]) => ok(yes, no));
const failure = fc.constantFrom(...statuses.filter((status) => status !== "ok")).map(failed);
const samples = fc.array(fc.oneof(okSample, failure), { minLength: 1, maxLength: 12 });
const rule = fc.constantFrom(...combineRules);

/** The reward of a row as every reader works it out: from its own two log-probabilities. */
const rewardOf = (of: readonly ResultSample[], by: (typeof combineRules)[number]): number => {
  const { logprobYes, logprobNo } = combineSamples(of, by);
  return reward(logprobYes ?? Number.NaN, logprobNo ?? Number.NaN);
};

describe("combine-samples", () => {
  test(`the order of the samples changes no bit (seed ${seed})`, () => {
    const shuffled = samples.chain((of) =>
      fc.tuple(fc.constant(of), fc.shuffledSubarray(of, { minLength: of.length })),
    );
    fc.assert(
      fc.property(shuffled, rule, ([of, other], by) => {
        const { decided: a, ...first } = combineSamples(of, by);
        const { decided: b, ...second } = combineSamples(other, by);
        expect(second).toEqual(first);
        expect(b.length).toBe(a.length);
      }),
      { seed, numRuns: 300 },
    );
  });

  test(`ok exactly where more than half are, and then with two numbers that a shard takes (seed ${seed})`, () => {
    fc.assert(
      fc.property(samples, rule, (of, by) => {
        const counting = of.filter(({ status }) => status === "ok").length;
        const { status, logprobYes, logprobNo, mass, decided } = combineSamples(of, by);
        expect(status === "ok").toBe(2 * counting > of.length);
        for (const value of [logprobYes, logprobNo, mass]) {
          if (status !== "ok") expect(value).toBeNull();
          else expect(Number.isFinite(value)).toBe(true);
        }
        expect(decided).toEqual([...of.keys()].filter((i) => of[i]!.status === status));
      }),
      { seed, numRuns: 300 },
    );
  });

  test(`a reward within those of the samples that count, and theirs where they are all alike (seed ${seed})`, () => {
    fc.assert(
      fc.property(fc.array(okSample, { minLength: 1, maxLength: 9 }), fc.nat(3), rule, (of, times, by) => {
        const rewards = of.map((sample) => sample.reward!);
        const value = rewardOf(of, by);
        expect(value).toBeGreaterThanOrEqual(Math.min(...rewards) - 1e-9);
        expect(value).toBeLessThanOrEqual(Math.max(...rewards) + 1e-9);
        const one = of[0]!;
        expect(rewardOf([one, ...Array.from({ length: times }, () => one)], by)).toBeCloseTo(one.reward!, 9);
      }),
      { seed, numRuns: 300 },
    );
  });

  test(`Yes and No changed for each other turn the reward round (seed ${seed})`, () => {
    fc.assert(
      fc.property(fc.array(okSample, { minLength: 1, maxLength: 9 }), rule, (of, by) => {
        const turned = of.map((sample) => ok(sample.logprob_no!, sample.logprob_yes!));
        expect(rewardOf(turned, by)).toBeCloseTo(-rewardOf(of, by), 9);
      }),
      { seed, numRuns: 300 },
    );
  });

  const three = [ok(-0.1, -2.1), ok(-0.5, -1), ok(-30, -0.01)];
  test.each([
    ["mean-margin", (2 + 0.5 - 29.99) / 3],
    ["majority", (2 + 0.5) / 2],
  ] as const)("%s worked out by hand", (by, expected) => {
    expect(rewardOf(three, by)).toBeCloseTo(expected, 12);
  });

  test("mean-p-yes worked out by hand, and near certainty, where 1 - p would be nothing", () => {
    const p = [2, 0.5, -29.99].map((m) => 1 / (1 + Math.exp(-m)));
    const mean = p.reduce((sum, one) => sum + one, 0) / 3;
    expect(rewardOf(three, "mean-p-yes")).toBeCloseTo(Math.log(mean / (1 - mean)), 12);
    expect(rewardOf([ok(0, -49), ok(0, -49)], "mean-p-yes")).toBeCloseTo(49, 9);
    expect(rewardOf([ok(0, -9_000), ok(0, -70)], "mean-p-yes")).toBeCloseTo(-logprobFloor, 9);
  });

  test("a draw is nobody's majority: all count; a sample of reward 0 has no vote", () => {
    expect(rewardOf([ok(-0.1, -4.1), ok(-2.1, -0.1)], "majority")).toBeCloseTo(1, 12);
    expect(rewardOf([ok(-1, -1), ok(-2, -1), ok(-1, -1)], "majority")).toBe(-1);
  });

  test("a failed row has the status that most of its failures have, the table's first at a draw", () => {
    const of = (...names: Status[]): Status =>
      combineSamples(
        names.map((status) => (status === "ok" ? ok(-1, -2) : failed(status))),
        "mean-margin",
      ).status;
    expect(of("ok", "looped", "truncated", "looped")).toBe("looped");
    expect(of("ok", "ok", "engine_error", "truncated")).toBe("truncated");
    expect(of("ok", "truncated")).toBe("truncated");
    expect(of("ok", "ok", "truncated")).toBe("ok");
  });
});

describe("combine-outcomes", () => {
  const answer = (changed: Partial<SampleOutcome>): SampleOutcome => ({
    ...emptyOutcome,
    status: "ok",
    logprobYes: -1,
    logprobNo: -2,
    mass: 0.5,
    answer: " Yes",
    answerForm: " Yes",
    finishReason: "stop",
    completionTokens: 10,
    promptTokens: 7,
    latencyMs: 100,
    queueMs: 3,
    attempts: 1,
    seed: null,
    ...changed,
  });

  test("tokens and time are sums, what the samples do not share is null, the text is the first's that decided", () => {
    const { outcome, samples: each } = combineOutcomes(
      [
        answer({
          status: "truncated",
          logprobYes: null,
          logprobNo: null,
          text: "cut",
          errorMessage: "too long",
          queueMs: 1,
        }),
        answer({ text: "first", answer: " No", attempts: 3, seed: 8 }),
        answer({ text: "second", seed: 9 }),
      ],
      "mean-margin",
    );
    expect(outcome).toMatchObject({
      status: "ok",
      errorMessage: null,
      answer: null,
      answerForm: " Yes",
      finishReason: "stop",
      completionTokens: 30,
      promptTokens: 21,
      cachedTokens: null,
      latencyMs: 300,
      queueMs: 1,
      attempts: 3,
      text: "first",
    });
    expect(each.map(({ status, reward: value, seed: own }) => [status, value, own])).toEqual([
      ["truncated", null, null],
      ["ok", 1, 8],
      ["ok", 1, 9],
    ]);
  });

  test("a failed row says how many of its samples failed so, and keeps no number", () => {
    const cut = answer({ status: "truncated", errorCode: "E_TRUNCATED", errorMessage: "too long", text: "cut" });
    expect(combineOutcomes([answer({}), cut, cut], "majority").outcome).toMatchObject({
      status: "truncated",
      errorCode: "E_TRUNCATED",
      errorMessage: "2 of 3 samples: too long",
      logprobYes: null,
      logprobNo: null,
      mass: null,
      text: "cut",
    });
  });
});

describe("the profile's rule", () => {
  test("the default spelt out is the same profile; another rule is another", () => {
    const base = profileSha256(genrmPrinciple);
    expect(profileSha256({ ...genrmPrinciple, combine: "mean-margin" })).toBe(base);
    expect(profileSha256({ ...genrmPrinciple, combine: "majority" })).not.toBe(base);
    expect("combine" in profileSchema.parse(genrmPrinciple)).toBe(false);
  });

  test("a row of several samples has another key under another rule, a row of one the same", () => {
    const key = (combine: "mean-margin" | "majority" | undefined, times: number): string =>
      rowKey({
        messages: [],
        model: "judge",
        profile: combine === undefined ? genrmPrinciple : { ...genrmPrinciple, combine },
        samples: times,
        seed: null,
      });
    expect(key("mean-margin", 3)).toBe(key(undefined, 3));
    expect(key("majority", 3)).not.toBe(key(undefined, 3));
    expect(key("majority", 1)).toBe(key(undefined, 1));
  });

  test("is set with --set combine, and no other word is a rule", () => {
    expect(setProfile(genrmPrinciple, new Map([["combine", "mean-p-yes"]])).combine).toBe("mean-p-yes");
    expect(() => setProfile(genrmPrinciple, new Map([["combine", "median"]]))).toThrow("not a valid profile");
  });
});
