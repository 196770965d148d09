import { describe, expect, test } from "@jest/globals";
import { builtInProfiles, profileByName, profileForModel } from "../src/built-in-profiles.ts";
import { layoutSha256, profileSchema, profileSha256, resolveForms, verdictIds } from "../src/profile.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import { scalarPrinciple } from "../src/profiles/scalar-principle.ts";
import { yesNo } from "../src/profiles/yes-no.ts";
import { checkProfile, setProfile } from "../src/set-profile.ts";

describe("profiles", () => {
  test.each(builtInProfiles.map((profile) => [profile.name, profile] as const))(
    "%s is valid as a user's file would be",
    (name, profile) => {
      expect(checkProfile(JSON.parse(JSON.stringify(profile)), name)).toEqual(profile);
      expect(profileByName(name)).toBe(profile);
      for (const model of profile.models) expect(profileForModel(model)).toBe(profile);
    },
  );

  test("what the model card and the design say is what is sent", () => {
    expect(genrmPrinciple.sampling).toEqual({
      temperature: 0.6,
      top_p: 0.95,
      top_k: 20,
      min_p: 0,
      repetition_penalty: 1,
    });
    expect([genrmPrinciple.max_tokens, genrmPrinciple.verdict.min_mass, genrmPrinciple.verdict.read]).toEqual([
      16_000,
      0.01,
      "two-step",
    ]);
    expect(verdictIds(genrmPrinciple)).toEqual([
      7414, 2308, 9454, 2753, 9834, 902, 9693, 2152, 14080, 5664, 14004, 8996,
    ]);
    expect(verdictIds(scalarPrinciple)).toEqual([9642, 2822]);
    expect([
      scalarPrinciple.max_tokens,
      scalarPrinciple.sampling.temperature,
      scalarPrinciple.verdict.min_mass,
    ]).toEqual([1, 0, 0.5]);
    expect(yesNo.messages.template_kwargs).toEqual({ enable_thinking: false });
    expect(profileForModel("nvidia/Qwen3-Nemotron-32B-GenRM-Principle")).toBe(genrmPrinciple);
    expect(profileForModel("Qwen/Qwen3-8B")).toBeNull();
    expect(profileByName("Yes-No")).toBeNull();
  });

  test("the hash moves with what reaches a request or the reading, and with nothing else", () => {
    const same = { ...genrmPrinciple, name: "other", description: "", models: [], golden: null, rate: null };
    expect(profileSha256(same)).toBe(profileSha256(genrmPrinciple));
    const changed = setProfile(genrmPrinciple, new Map([["max_tokens", "32000"]]));
    expect(profileSha256(changed)).not.toBe(profileSha256(genrmPrinciple));
    expect(layoutSha256(changed)).toBe(layoutSha256(genrmPrinciple));
  });

  test("ids that the probe found are for asking and reading; unresolved ones are never asked for", () => {
    expect(() => verdictIds(yesNo)).toThrow("not resolved");
    const resolved = resolveForms(
      yesNo,
      new Map([
        ["Yes", 10539],
        ["No", 5230],
        [" Yes", 7],
        ["YES", 8],
        ["NO", 9],
      ]),
    );
    expect(verdictIds(resolved)).toEqual([10539, 5230, 8, 9]);
    expect(yesNo.verdict.forms).toHaveLength(6);
    expect(resolveForms(genrmPrinciple, new Map([[" Yes", 1]]))).toEqual(genrmPrinciple);
  });

  test("words that are one token are one form: a tokenizer may put a space in front of every text", () => {
    const resolved = resolveForms(
      yesNo,
      new Map([
        ["Yes", 5592],
        [" Yes", 5592],
        ["No", 1770],
        [" No", 1770],
        ["yes", 5081],
        [" yes", 5081],
        ["no", 708],
        [" no", 708],
      ]),
    );
    expect(resolved.verdict.forms.map(({ yes }) => yes)).toEqual(["Yes", "yes"]);
    expect(verdictIds(resolved)).toEqual([5592, 1770, 5081, 708]);
  });

  test("a word that two forms share is asked for once, and no token is Yes and No", () => {
    const forms = [
      { yes: "Yes", no: "No", yes_id: 1, no_id: 2 },
      { yes: "Yes", no: "no", yes_id: 1, no_id: 3 },
    ];
    const shared = { ...yesNo, verdict: { ...yesNo.verdict, forms } };
    expect(verdictIds(checkProfile(shared, "p.json"))).toEqual([1, 2, 3]);
    for (const form of [
      { yes: "Yes", no: "No", yes_id: 1, no_id: 1 },
      { yes: "Yes", no: "Yes", yes_id: null, no_id: null },
      { yes: "sí", no: "No", yes_id: 4, no_id: 1 },
    ]) {
      const both = { ...shared, verdict: { ...shared.verdict, forms: [...forms, form] } };
      expect(() => checkProfile(both, "p.json")).toThrow(
        expect.objectContaining({ code: "E_PROFILE", where: "p.json", expected: "no word of one side on the other" }),
      );
    }
  });
});

describe("set-profile", () => {
  const set = (sets: Record<string, string>, profile = genrmPrinciple) =>
    setProfile(profile, new Map(Object.entries(sets)));

  test("changes exactly what was named, and not the built-in profile", () => {
    const before = structuredClone(genrmPrinciple);
    expect(set({ temperature: "0", max_tokens: "32000", top_k: "-1", read: "ids" })).toEqual({
      ...genrmPrinciple,
      sampling: { ...genrmPrinciple.sampling, temperature: 0, top_k: -1 },
      max_tokens: 32_000,
      verdict: { ...genrmPrinciple.verdict, read: "ids", insist: true },
    });
    expect(genrmPrinciple).toEqual(before);
    expect(set({})).toEqual(genrmPrinciple);
  });

  test("an unknown key is named, with the nearest and all that are allowed", () => {
    expect(() => set({ temprature: "0" })).toThrow(
      expect.objectContaining({
        code: "E_PROFILE",
        where: "--set temprature",
        next: expect.stringContaining("--set temperature="),
        expected: expect.stringContaining("max_tokens"),
      }),
    );
  });

  test.each([
    ["temperature", "hot"],
    ["temperature", "-1"],
    ["temperature", "NaN"],
    ["top_p", "0"],
    ["max_tokens", "1.5"],
    ["max_tokens", "null"],
    ["min_mass", "2"],
    ["read", "both"],
    ["__proto__", "1"],
    ["constructor", "1"],
  ])("%s=%s is refused", (key, value) => {
    expect(() => setProfile(genrmPrinciple, new Map([[key, value]]))).toThrow(
      expect.objectContaining({ code: "E_PROFILE", where: expect.stringContaining(key) }),
    );
  });

  test.each([
    ["temperature", "0.6"],
    ["top_k", "20"],
    ["top_p", "0.9"],
    ["min_p", "0.1"],
    ["max_tokens", "2"],
    ["read", "two-step"],
  ])("a one-token profile is read without sampling, in one request: %s=%s is refused", (key, value) => {
    expect(() => set({ [key]: value }, scalarPrinciple)).toThrow(expect.objectContaining({ code: "E_PROFILE" }));
  });

  test("a profile file: an anchor must be there and be a regular expression", () => {
    const withAnchor = (anchor: string | null) => ({
      ...genrmPrinciple,
      verdict: { ...genrmPrinciple.verdict, anchor },
    });
    expect(() => checkProfile(withAnchor(null), "judge.json")).toThrow(
      expect.objectContaining({ code: "E_PROFILE", where: "judge.json" }),
    );
    expect(() => checkProfile(withAnchor("("), "judge.json")).toThrow(
      expect.objectContaining({ code: "E_PROFILE", got: "(" }),
    );
    expect(() => checkProfile({ ...genrmPrinciple, extra: 1 }, "judge.json")).toThrow(
      expect.objectContaining({ code: "E_PROFILE" }),
    );
    expect(profileSchema.safeParse(genrmPrinciple).success).toBe(true);
  });
});
