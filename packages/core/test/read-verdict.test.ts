import { describe, expect, test } from "@jest/globals";
import { resolveForms, type VerdictForm } from "../src/profile.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import { scalarPrinciple } from "../src/profiles/scalar-principle.ts";
import { yesNo } from "../src/profiles/yes-no.ts";
import { readVerdict } from "../src/read-verdict.ts";
import { reward } from "../src/reward.ts";
import { buildPosition } from "./build-completion.ts";

const forms = genrmPrinciple.verdict.forms.map((form): [string, VerdictForm] => [form.yes, form]);
const usual = forms[0]?.[1] ?? null;

describe("read-verdict: the sampled pair", () => {
  test.each(forms)("form %j is read by its own two ids, whatever the others say", (_yes, form) => {
    const others = forms
      .flatMap(([, { yes_id, no_id }]) => [yes_id, no_id])
      .filter((id) => id !== form.yes_id && id !== form.no_id);
    const at = buildPosition(
      [form.yes_id ?? -1, -0.25],
      [form.no_id ?? -1, -1.75],
      ...others.map((id) => [id ?? -1, -9] as const),
    );
    expect(readVerdict(at, form, genrmPrinciple, "ids")).toEqual({
      status: "ok",
      why: null,
      logprobYes: -0.25,
      logprobNo: -1.75,
      mass: Math.exp(-0.25) + Math.exp(-1.75),
      floored: false,
      form: form.yes,
    });
  });

  test("a sampled token that the list does not repeat is still told", () => {
    const at = { ...buildPosition([7414, -0.5], [2308, -1]), told: [{ id: 2308, text: " No", logprob: -1 }] };
    expect(readVerdict(at, usual, genrmPrinciple, "ids")).toMatchObject({
      status: "ok",
      logprobYes: -0.5,
      logprobNo: -1,
    });
  });

  test("texts are read where ids are not told", () => {
    const at = buildPosition([" No", -0.00011], [" Yes", -9.18761]);
    expect(readVerdict(at, usual, genrmPrinciple, "top")).toMatchObject({
      status: "ok",
      logprobYes: -9.18761,
      logprobNo: -0.00011,
    });
  });
});

describe("read-verdict: what is missing is never invented", () => {
  test("top list, one missing: the smallest value listed bounds it, and the row says so", () => {
    const at = buildPosition([" Yes", -0.001], ["</think>", -8], ["3", -19]);
    expect(readVerdict(at, usual, genrmPrinciple, "top")).toMatchObject({
      status: "ok",
      logprobYes: -0.001,
      logprobNo: -19,
      floored: true,
    });
  });

  test("top list of one token: the other word is not as likely as a sure one", () => {
    expect(readVerdict(buildPosition([" Yes", -0.001]), usual, genrmPrinciple, "top")).toMatchObject({
      status: "engine_error",
      logprobYes: null,
      logprobNo: null,
    });
  });

  test("top list, one missing and the other the least listed, or behind the list: nobody knows which is likelier", () => {
    const told = (text: string, logprob: number) => ({ id: null, text, logprob });
    const others = [told("So", -1), told("The", -1.5), told("It", -2)];
    const sampled = told(" Yes", -4);
    // vLLM puts the sampled token into the list, others do not
    for (const list of [[sampled, ...others], [...others, sampled], others]) {
      expect(readVerdict({ sampled, told: list }, usual, genrmPrinciple, "top")).toMatchObject({
        status: "no_verdict",
        logprobYes: null,
        logprobNo: null,
      });
    }
    const within = [...others, told("A", -4.5)];
    expect(readVerdict({ sampled, told: [sampled, ...within] }, usual, genrmPrinciple, "top")).toMatchObject({
      status: "ok",
      logprobYes: -4,
      logprobNo: -4.5,
      floored: true,
    });
  });

  test("top list, both missing", () => {
    const at = buildPosition(["maybe", -0.1], ["3", -19]);
    expect(readVerdict(at, usual, genrmPrinciple, "top")).toMatchObject({
      status: "verdict_not_in_topk",
      logprobYes: null,
      logprobNo: null,
      mass: null,
    });
  });

  test.each(["ids", "two-step"] as const)("%s: an id that was asked for and not told is the engine's fault", (by) => {
    expect(readVerdict(buildPosition([7414, -0.1]), usual, genrmPrinciple, by).status).toBe("engine_error");
    expect(readVerdict(buildPosition([13, -0.1]), usual, genrmPrinciple, by).status).toBe("engine_error");
  });

  test("ids in another order than they were asked for in would be each other's values", () => {
    const told = (id: number, text: string, logprob: number) => ({ id, text, logprob });
    const sorted = (...texts: readonly [string, string]) => ({
      sampled: told(13, ".", -0.01),
      told: [told(13, ".", -0.01), told(7414, texts[0], -0.5), told(2308, texts[1], -2)],
    });
    expect(readVerdict(sorted(" No", " Yes"), usual, genrmPrinciple, "ids")).toMatchObject({
      status: "engine_error",
      logprobYes: null,
      logprobNo: null,
    });
    expect(readVerdict(sorted(" Yes", " No"), usual, genrmPrinciple, "ids").status).toBe("ok");
    // a tokenizer that leaves the space out of one token's text, and a server that prints ids
    expect(readVerdict(sorted("Yes", "No"), usual, genrmPrinciple, "ids").status).toBe("ok");
    expect(readVerdict(sorted("token_id:7414", "token_id:2308"), usual, genrmPrinciple, "ids").status).toBe("ok");
  });

  test("-9999 is a sampling filter speaking, not a very sure verdict", () => {
    const at = buildPosition([7414, 0], [2308, -9999]);
    expect(readVerdict(at, usual, genrmPrinciple, "ids")).toMatchObject({
      status: "no_verdict",
      logprobYes: 0,
      logprobNo: -9999,
    });
    expect(readVerdict(buildPosition([7414, 0], [2308, -80]), usual, genrmPrinciple, "ids").status).toBe("ok");
  });
});

describe("read-verdict: the mass of the pair", () => {
  test("a cut one token early looks like a verdict and holds no mass; both values are kept", () => {
    const cut = readVerdict(
      buildPosition([13, -0.1], [7414, -24.03], [2308, -14.72]),
      usual,
      genrmPrinciple,
      "two-step",
    );
    expect(cut).toMatchObject({ status: "no_verdict", logprobYes: -24.03, logprobNo: -14.72 });
    expect(cut.mass).toBeCloseTo(4.05e-7, 9);
  });

  test("the least mass allowed is inside", () => {
    const half = (mass: number) => buildPosition([9642, Math.log(mass / 2)], [2822, Math.log(mass / 2)]);
    expect(readVerdict(half(0.51), null, scalarPrinciple, "ids").status).toBe("ok");
    expect(readVerdict(half(0.49), null, scalarPrinciple, "ids").status).toBe("no_verdict");
  });

  test("two words that are both nearly certain are none that a server read at one place", () => {
    const at = buildPosition([7414, -0.001], [2308, -0.01]);
    expect(readVerdict(at, usual, genrmPrinciple, "two-step")).toMatchObject({
      status: "engine_error",
      logprobYes: null,
      logprobNo: null,
    });
  });

  test("rounding never makes more than all of it", () => {
    expect(readVerdict(buildPosition([7414, -1e-9], [2308, -3]), usual, genrmPrinciple, "ids").mass).toBe(1);
  });
});

describe("read-verdict: all forms summed", () => {
  const ids = new Map([
    ["Yes", 1],
    ["No", 2],
    [" Yes", 3],
    [" No", 4],
    ["yes", 5],
  ]);
  const profile = resolveForms(yesNo, ids);

  test("a form of which one word is no single token drops out", () => {
    expect(profile.verdict.forms.map(({ yes }) => yes)).toEqual(["Yes", " Yes"]);
  });

  test("probabilities add up: 0.4 + 0.2 against 0.1 + 0.1", () => {
    const at = buildPosition([1, Math.log(0.4)], [2, Math.log(0.1)], [3, Math.log(0.2)], [4, Math.log(0.1)]);
    const read = readVerdict(at, null, profile, "ids");
    expect(read).toMatchObject({ status: "ok", form: null, floored: false });
    expect(read.logprobYes).toBeCloseTo(Math.log(0.6), 12);
    expect(read.logprobNo).toBeCloseTo(Math.log(0.2), 12);
    expect(read.mass).toBeCloseTo(0.8, 12);
  });

  test("a token that two forms share is added once", () => {
    const forms = [
      { yes: "Yes", no: "No", yes_id: 1, no_id: 2 },
      { yes: "Yes", no: "no", yes_id: 1, no_id: 3 },
    ];
    const shared = { ...profile, verdict: { ...profile.verdict, forms } };
    const at = buildPosition([1, Math.log(0.4)], [2, Math.log(0.1)], [3, Math.log(0.1)]);
    const read = readVerdict(at, null, shared, "ids");
    expect(read.logprobYes).toBeCloseTo(Math.log(0.4), 12);
    expect(read.logprobNo).toBeCloseTo(Math.log(0.2), 12);
  });

  test("no probability is too small to be added", () => {
    const at = buildPosition([1, -0.001], [2, -800], [3, -7], [4, -800]);
    expect(readVerdict(at, null, profile, "ids").logprobNo).toBeCloseTo(-800 + Math.log(2), 9);
  });
});

describe("reward", () => {
  test.each([
    [-0.00011, -9.18761, 9.1875],
    [-9.18761, -0.00011, -9.1875],
    [0, -1000, 50],
    [-1000, 0, -50],
    [-60, -70, 0],
    [-0.5, -0.5, 0],
  ])("of %p and %p is %p", (yes, no, expected) => {
    expect(reward(yes, no)).toBeCloseTo(expected, 9);
  });

  test.each([
    [Number.NaN, 0],
    [0, Number.NaN],
    [0, Number.NEGATIVE_INFINITY],
  ])("of %p and %p is refused", (yes, no) => {
    expect(() => reward(yes, no)).toThrow("two finite log-probabilities");
  });
});
