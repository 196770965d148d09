import { describe, expect, test } from "@jest/globals";
import { profileSha256 } from "../src/profile.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import { setProfile } from "../src/set-profile.ts";

describe("set-profile: every key that can be set", () => {
  const { sampling, verdict } = genrmPrinciple;
  const keys: [string, string, object][] = [
    ["temperature", "0", { sampling: { ...sampling, temperature: 0 } }],
    ["top_p", "0.5", { sampling: { ...sampling, top_p: 0.5 } }],
    ["top_k", "-1", { sampling: { ...sampling, top_k: -1 } }],
    ["min_p", "0.05", { sampling: { ...sampling, min_p: 0.05 } }],
    ["repetition_penalty", "1.1", { sampling: { ...sampling, repetition_penalty: 1.1 } }],
    ["max_tokens", "8000", { max_tokens: 8_000 }],
    ["min_mass", "0.1", { verdict: { ...verdict, min_mass: 0.1 } }],
    ["read", "ids", { verdict: { ...verdict, read: "ids", insist: true } }],
    ["combine", "majority", { combine: "majority" }],
  ];

  test.each(keys)("%s=%s changes that and nothing else, and makes another profile", (key, value, changed) => {
    const set = setProfile(genrmPrinciple, new Map([[key, value]]));
    expect(set).toEqual({ ...genrmPrinciple, ...changed });
    expect(profileSha256(set)).not.toBe(profileSha256(genrmPrinciple));
  });

  test.each(keys)("%s takes no %j-like nonsense", (key) => {
    for (const value of ["", "x", "[]", "{}", "null", "true", "-7", "1e999"])
      expect(() => setProfile(genrmPrinciple, new Map([[key, value]]))).toThrow(
        expect.objectContaining({ code: "E_PROFILE", where: `--set ${key}=${value}` }),
      );
  });

  test("these and no others are offered", () => {
    expect(() => setProfile(genrmPrinciple, new Map([["anchor", "x"]]))).toThrow(
      expect.objectContaining({ code: "E_PROFILE", got: "anchor", expected: keys.map(([key]) => key).join(", ") }),
    );
  });

  test.each([
    ["temp", "temperature"],
    ["maxtokens", "max_tokens"],
    ["top-k", "top_k"],
    ["Top_K", "top_k"],
    ["repetition-penalty", "repetition_penalty"],
    ["reading", "read"],
    ["min_m", "min_mass"],
  ])("%s: did you mean %s?", (key, nearest) => {
    expect(() => setProfile(genrmPrinciple, new Map([[key, "1"]]))).toThrow(
      expect.objectContaining({ code: "E_PROFILE", next: `did you mean --set ${nearest}=…?` }),
    );
  });

  test("several at once; a fault names them all", () => {
    expect(() =>
      setProfile(
        genrmPrinciple,
        new Map([
          ["temperature", "0"],
          ["top_p", "7"],
        ]),
      ),
    ).toThrow(expect.objectContaining({ code: "E_PROFILE", where: "--set temperature=0 --set top_p=7" }));
  });
});
