import { isAssayError, profileByName } from "@assay/core";
import { importerByName } from "@assay/datasets";
import { describe, expect, test } from "@jest/globals";
import type { PlanFlags } from "../src/flags.ts";
import { pairs, submitSettings } from "../src/submit-settings.ts";
import { untypedFlags as flags } from "./plan-flags.ts";

const made = { readable: "rollouts", software: "1.2.3", createdAt: "2026-01-02T03:04:05.000Z" };

function settings(changed: Partial<PlanFlags>, format = "records") {
  const profile = profileByName("genrm-principle")!;
  const chosen = { model: "simulator", revision: null, profile };
  return submitSettings({ ...flags, ...changed }, chosen, { ...made, importer: importerByName(format) });
}

function refusal(work: () => unknown): { code: string; text: string } {
  try {
    work();
  } catch (error) {
    if (isAssayError(error)) return { code: error.code, text: `${error.message} ${error.expected} ${error.got}` };
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("flags as settings", () => {
  test("the defaults change nothing of the profile", () => {
    const plain = settings({});
    expect(plain.batch.profile).toEqual(profileByName("genrm-principle"));
    expect(plain).toMatchObject({
      limit: null,
      readable: "rollouts",
      name: null,
      tags: {},
      maxBad: 0.01,
      maxFailed: 0.05,
    });
    expect(plain.batch).toMatchObject({ strip: "auto", specials: "neutralise", samples: 1, seed: null, columns: [] });
    expect(plain.records).toEqual({
      roles: ["system", "user", "assistant"],
      principles: [],
      recipe: null,
      map: {},
      columns: [],
      carryAll: false,
    });
  });

  test("samples arrive; so many, at temperature 0, or with seeds beyond 2^53 they are refused", () => {
    expect(settings({ samples: 64, seed: 3 }).batch).toMatchObject({ samples: 64, seed: 3 });
    expect(settings({ samples: 1, set: ["temperature=0"] }).batch.samples).toBe(1);
    expect(refusal(() => settings({ samples: 65 })).code).toBe("E_USAGE");
    expect(refusal(() => settings({ samples: 2, set: ["temperature=0"] })).text).toContain("temperature 0");
    expect(refusal(() => settings({ samples: 2, seed: Number.MAX_SAFE_INTEGER })).text).toContain("2^53");
  });

  test("what is typed arrives where it belongs", () => {
    const typed = settings({
      principle: ["correctness", "is it short?"],
      set: ["temperature=0", "max_tokens=4000"],
      map: ["prompt=question", "response=a=b"],
      carry: ["step:int64", "kind", "a:b:double"],
      carryAll: true,
      limit: 7,
      name: "night 3",
      tag: ["team=rl", "note=a=b"],
      seed: 0,
      stripReasoning: "always",
      specials: "reject",
      keepReasoning: "none",
    });
    expect(typed.batch.profile.sampling.temperature).toBe(0);
    expect(typed.batch.profile.max_tokens).toBe(4_000);
    expect(typed.records.principles).toEqual(["correctness", "is it short?"]);
    expect(typed.records.map).toEqual({ prompt: "question", response: "a=b" });
    expect(typed.records.columns).toEqual([
      { name: "step", type: "int64" },
      { name: "kind", type: "string" },
      { name: "a:b", type: "double" },
    ]);
    expect(typed.records.columns).toBe(typed.batch.columns);
    expect(typed).toMatchObject({ limit: 7, readable: "night 3", name: "night 3", tags: { team: "rl", note: "a=b" } });
    expect(typed.batch).toMatchObject({ seed: 0, strip: "always", specials: "reject" });
    expect(typed.keepReasoning).toBe("none");
  });

  test("a format brings its columns before the user's, its names, and what labelled data is judged by", () => {
    const labelled = settings({ carry: ["note"] }, "judgebench");
    const { columns } = importerByName("judgebench");
    expect(labelled.batch.columns).toEqual([...columns, { name: "note", type: "string" }]);
    expect(labelled.records.map).toEqual({ id: "pair_id", prompt: "question" });
    expect(labelled.batch.strip).toBe("off");
    expect(settings({ stripReasoning: "always" }, "judgebench").batch.strip).toBe("always");
    // the thinking of a policy is no part of its answer
    expect(settings({}, "verl").batch.strip).toBe("auto");
    expect(settings({}).batch.strip).toBe("auto");
    expect(refusal(() => settings({ carry: ["label"] }, "judgebench")).text).toContain("column label by itself");
  });

  test("a sample is drawn by the seed, 0 where none is given", () => {
    expect(settings({}).sample).toBeUndefined();
    expect(settings({ sample: 9 })).toMatchObject({ sample: { size: 9, seed: 0 }, batch: { seed: null } });
    expect(settings({ sample: 9, seed: 4 })).toMatchObject({ sample: { size: 9, seed: 4 }, batch: { seed: 4 } });
  });

  test.each<[string, Partial<PlanFlags>, string, string]>([
    ["a mode that is none", { stripReasoning: "sometimes" }, "E_USAGE", "auto, always, off"],
    ["a field of ours that is none", { map: ["question=prompt"] }, "E_USAGE", "prompt"],
    ["a type that is none", { carry: ["step:integer"] }, "E_USAGE", "int64"],
    ["a column twice", { carry: ["step", "step:int64"] }, "E_USAGE", "step twice"],
    ["a tag without =", { tag: ["rl"] }, "E_USAGE", "k=v"],
    ["a setting twice", { set: ["temperature=0", "temperature=1"] }, "E_USAGE", "temperature twice"],
    ["a setting that is none", { set: ["temprature=0"] }, "E_PROFILE", "temperature"],
    ["a setting out of range", { set: ["temperature=3"] }, "E_PROFILE", "temperature"],
    ["a principle without text", { principle: ["  "] }, "E_USAGE", "empty"],
    ["two choices of records", { limit: 5, sample: 5 }, "E_USAGE", "--limit and --sample"],
  ])("refuses %s", (_, changed, code, text) => {
    const refused = refusal(() => settings(changed));
    expect(refused.code).toBe(code);
    expect(refused.text).toContain(text);
  });

  test("pairs keep what stands behind the first =", () => {
    expect([...pairs("--tag", "k=v", ["a=", "b=c=d"])]).toEqual([
      ["a", ""],
      ["b", "c=d"],
    ]);
    expect(refusal(() => pairs("--tag", "k=v", ["=a"])).code).toBe("E_USAGE");
  });
});
