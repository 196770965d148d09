import { describe, expect, test } from "@jest/globals";
import { type NormalisedRecord, normaliseRecord } from "../src/normalise-record.ts";
import { principlesOf, type Recipe, recipeSchema, recipeSha256 } from "../src/recipe.ts";

const recipe: Recipe = {
  name: "test",
  description: "",
  by: "domain",
  principles: { code: ["correctness", "brevity"], "safety*": ["safety"], "safety-refuse": ["refusal"] },
  otherwise: ["clarity"],
};

describe("a recipe", () => {
  test.each<[unknown, string[]]>([
    ["code", ["correctness", "brevity"]],
    ["codes", ["clarity"]],
    ["safety-response", ["safety"]],
    ["safety-refuse", ["refusal"]],
    [undefined, ["clarity"]],
    [["code"], ["clarity"]],
    ["__proto__", ["clarity"]],
  ])("of domain %j", (domain, principles) => {
    expect(principlesOf(recipe, domain === undefined ? {} : { domain })).toEqual(principles);
  });

  const normalise = (more: object, otherwise: string[] | null = null): NormalisedRecord =>
    normaliseRecord(
      { prompt: "p", response: "r", ...more },
      { roles: ["user"], principles: [], recipe: { ...recipe, otherwise }, map: {}, columns: [], carryAll: false },
    );

  test("gives records their principles, never one that brings its own", () => {
    expect(normalise({ domain: "code" })).toMatchObject({ ok: true, principles: ["correctness", "brevity"] });
    expect(normalise({ domain: "code", principle: "mine" })).toMatchObject({ ok: true, principles: ["mine"] });
    expect(normalise({ domain: "poems" })).toMatchObject({ ok: false, bad: "missing_principle" });
  });

  test("is hashed by what it asks, not by what it is called", () => {
    const hash = recipeSha256(recipe);
    expect(recipeSha256({ ...recipe, name: "other", description: "why" })).toBe(hash);
    expect(recipeSha256({ ...recipe, otherwise: null })).not.toBe(hash);
    expect(hash).toBe("78818e1319e063398e2541462015376075be22d218dcdf5eb8e93abd934cc907");
  });

  test("without a principle is none", () => {
    expect(recipeSchema.safeParse({ ...recipe, principles: { code: [] } }).success).toBe(false);
    expect(recipeSchema.safeParse({ ...recipe, otherwise: [" "] }).success).toBe(false);
    expect(recipeSchema.safeParse({ ...recipe, extra: 1 }).success).toBe(false);
  });
});
