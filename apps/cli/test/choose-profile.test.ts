import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAssayError, profileByName } from "@assay/core";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { chooseModel } from "../src/choose-profile.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-profile-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function chosen(flags: { profile?: string; model?: string }, served: readonly string[] | null = null) {
  const { model, revision, profile } = await chooseModel(flags, served === null ? null : async () => served);
  return [model, revision, profile.name];
}

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.catch((thrown: unknown) => thrown);
  if (!isAssayError(error)) throw error;
  return `${error.code} ${error.message} ${error.expected} ${error.got} ${error.next}`;
}

const genrm = "nvidia/Qwen3-Nemotron-32B-GenRM-Principle";

describe("model and profile", () => {
  test("a model brings the profile that lists it, and may state a revision", async () => {
    expect(await chosen({ model: genrm })).toEqual([genrm, null, "genrm-principle"]);
    expect(await chosen({ model: `${genrm}@a1b2c3` })).toEqual([genrm, "a1b2c3", "genrm-principle"]);
    expect(await chosen({ model: "my/judge", profile: "yes-no" })).toEqual(["my/judge", null, "yes-no"]);
  });

  test("a profile alone brings its own first model", async () => {
    expect(await chosen({ profile: "genrm-principle" })).toEqual([genrm, null, "genrm-principle"]);
  });

  test("score takes the one model that the engines serve, several engines or not", async () => {
    expect(await chosen({}, ["simulator"])).toEqual(["simulator", null, "genrm-principle"]);
    expect(await chosen({}, [genrm, genrm])).toEqual([genrm, null, "genrm-principle"]);
    expect(await chosen({ profile: "yes-no" }, ["my/judge"])).toEqual(["my/judge", null, "yes-no"]);
    expect(await chosen({ profile: "genrm-principle" }, ["my/judge", "simulator"])).toEqual([
      "simulator",
      null,
      "genrm-principle",
    ]);
  });

  test("the engines are not asked when a model is named", async () => {
    const unasked = () => Promise.reject(new Error("asked"));
    expect((await chooseModel({ model: "simulator" }, unasked)).model).toBe("simulator");
  });

  test("what cannot be decided is asked back, with the choice", async () => {
    expect(await refusal(chosen({}))).toMatch(/^E_USAGE .*genrm-principle.*scalar-principle.*yes-no/s);
    expect(await refusal(chosen({ profile: "yes-no" }))).toMatch(/^E_USAGE .*--model NAME/s);
    expect(await refusal(chosen({ model: "my/judge" }))).toMatch(/^E_USAGE .*my\/judge.*yes-no/s);
    expect(await refusal(chosen({}, ["a", "b"]))).toMatch(/^E_USAGE .*a, b/s);
    expect(await refusal(chosen({ model: "a@" }))).toMatch(/^E_USAGE/);
  });

  test("a file is a profile, too; a broken one says what is wrong with it", async () => {
    const mine = join(folder, "mine.json");
    await writeFile(mine, JSON.stringify({ ...profileByName("yes-no"), name: "mine" }));
    expect(await chosen({ profile: mine, model: "my/judge" })).toEqual(["my/judge", null, "mine"]);

    const broken = join(folder, "broken.json");
    await writeFile(broken, JSON.stringify({ ...profileByName("yes-no"), max_tokens: 0 }));
    expect(await refusal(chosen({ profile: broken, model: "m" }))).toMatch(/^E_PROFILE .*max_tokens/s);
    await writeFile(broken, "{");
    expect(await refusal(chosen({ profile: broken, model: "m" }))).toMatch(/^E_PROFILE .*not JSON/s);
    expect(await refusal(chosen({ profile: "genrm", model: "m" }))).toMatch(/^E_PROFILE .*genrm-principle.*genrm/s);
  });
});
