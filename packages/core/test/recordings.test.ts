import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { buildReadRequest } from "../src/build-request.ts";
import { completionFromChat, completionFromText } from "../src/completion-from-answer.ts";
import { findVerdict, logprobsAt } from "../src/find-verdict.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import { readVerdict } from "../src/read-verdict.ts";
import { templateBreach } from "../src/template-breach.ts";

/** Answers of a real vLLM 0.32 to a toy judge. They lie beside the repository, not in it. */
const recordings = fileURLToPath(new URL("../../../../shared/conformance/golden/", import.meta.url));
const there = existsSync(recordings);
if (!there)
  console.warn("!!! NOT RUN: the recorded vLLM answers are not beside this repository (shared/conformance/golden)");
const folders = there ? ["default", "reasoning-parser"] : [];

interface Recording {
  request: { path: string; body: { logprob_token_ids?: number[]; prompt?: number[] } };
  status: number;
  body: { choices: { finish_reason: string; token_ids: number[] | null }[]; prompt_token_ids: number[] };
}

function load(folder: string, name: string): Recording {
  return JSON.parse(readFileSync(`${recordings}${folder}/${name}.json`, "utf8"));
}

function chat(folder: string, name: string) {
  const { request, body } = load(folder, name);
  return completionFromChat(body, 0, request.body.logprob_token_ids ?? null);
}

/** The recorded verdict: both values, as the model card's own steps gave them on this checkpoint. */
const recorded = { yes: -9.18761157989502, no: -0.00011157367407577112 };

for (const folder of folders) {
  describe(`recordings: ${folder}`, () => {
    const names = readdirSync(recordings + folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => name.slice(0, -".json".length))
      .filter((name) => {
        const { request, status } = load(folder, name);
        return status === 200 && request.path === "/v1/chat/completions";
      });

    test("there are answers to read", () => {
      expect(names.length).toBeGreaterThan(20);
    });

    test.each(names)("%s: the verdict is at position 14, or there is a reason why not", (name) => {
      const completion = chat(folder, name);
      const found = findVerdict(completion, genrmPrinciple);
      if (completion.finishReason === "length") {
        expect(found).toMatchObject({ found: false, status: "truncated" });
      } else if (name === "stop-string" || (completion.tokenIds === null && completion.logprobs === null)) {
        expect(found).toMatchObject({ found: false, status: "no_verdict" });
      } else {
        expect(found).toMatchObject({ found: true, position: 14, answer: " No", form: { yes: " Yes" } });
      }
    });

    test.each(
      names.filter((name) =>
        /^(ids-|top20|return-token-ids|samples-3|default-sampling|tokens-as-ids|temperature-1)/.test(name),
      ),
    )("%s: both log-probabilities are the recorded ones, at any temperature", (name) => {
      const completion = chat(folder, name);
      const found = findVerdict(completion, genrmPrinciple);
      if (!found.found) throw new Error(found.why);
      const at = logprobsAt(completion, found.position);
      if (at === null) throw new Error("no log-probabilities at the verdict");
      const read = readVerdict(at, found.form, genrmPrinciple, "top");
      expect(read).toMatchObject({ status: "ok", floored: false, form: " Yes" });
      expect(read.logprobYes).toBeCloseTo(recorded.yes, 4);
      expect(read.logprobNo).toBeCloseTo(recorded.no, 4);
    });

    test("one request and two requests agree on both log-probabilities, and the second asks for exactly the recorded ids", () => {
      const first = chat(folder, "return-token-ids");
      const found = findVerdict(first, genrmPrinciple);
      if (!found.found || first.promptTokenIds === null || first.tokenIds === null) throw new Error("no verdict");
      const second = load(folder, "completions-ids-exact");
      const request = buildReadRequest("judge", first.promptTokenIds, first.tokenIds, found.position, genrmPrinciple);
      expect(request.promptTokenIds).toEqual(second.request.body.prompt);

      const inOne = logprobsAt(first, found.position);
      const inTwo = logprobsAt(completionFromText(second.body, 0), 0);
      if (inOne === null || inTwo === null) throw new Error("no log-probabilities");
      const one = readVerdict(inOne, found.form, genrmPrinciple, "ids");
      const two = readVerdict(inTwo, found.form, genrmPrinciple, "two-step");
      expect([one.status, two.status]).toEqual(["ok", "ok"]);
      expect(Math.abs((one.logprobYes ?? Number.NaN) - (two.logprobYes ?? Number.NaN))).toBeLessThan(1e-4);
      expect(Math.abs((one.logprobNo ?? Number.NaN) - (two.logprobNo ?? Number.NaN))).toBeLessThan(1e-4);
    });

    test("a row that spoke as the template is told by its delimiters", () => {
      const judged = [{ role: "user" }, { role: "assistant" }, { role: "principle" }];
      const delimiters = [
        { id: 151644, per_turn: 1, extra: 1, extra_system: 1 },
        { id: 151645, per_turn: 1, extra: 0, extra_system: 0 },
      ];
      expect(templateBreach(load(folder, "return-token-ids").body.prompt_token_ids, delimiters, judged)).toBeNull();
      expect(templateBreach(load(folder, "special-in-text").body.prompt_token_ids, delimiters, judged)).toContain(
        "151644 5 times",
      );
    });
  });
}

describe("recordings: pinned here", () => {
  test("the end of the recorded answer, as it came over the wire", () => {
    const tokens: [string, number][] = [
      ["<think>", 151667],
      ["So", 4416],
      ["</think>", 151668],
      ["\n\n", 271],
      ["Final", 19357],
      [" Jud", 11213],
      ["gement", 29564],
      [":", 25],
      [" No", 2308],
      ["<|im_end|>", 151645],
    ];
    const asked = [
      { token: " Yes", logprob: recorded.yes },
      { token: " No", logprob: recorded.no },
    ];
    const body = {
      choices: [
        {
          message: { content: "<think>So</think>\n\nFinal Judgement: No", reasoning: null },
          finish_reason: "stop",
          token_ids: tokens.map(([, id]) => id),
          logprobs: {
            content: tokens.map(([token]) => ({
              token,
              logprob: recorded.no,
              top_logprobs: [{ token, logprob: recorded.no }, ...asked.filter((one) => one.token !== token)],
            })),
          },
        },
      ],
      prompt_token_ids: [151644, 872, 151645],
      usage: { prompt_tokens: 3, completion_tokens: 10 },
    };
    const completion = completionFromChat(body, 0, [7414, 2308]);
    const found = findVerdict(completion, genrmPrinciple);
    expect(found).toMatchObject({ found: true, position: 8, answer: " No" });
    const at = logprobsAt(completion, 8);
    if (!found.found || at === null) throw new Error("no log-probabilities");
    expect(readVerdict(at, found.form, genrmPrinciple, "ids")).toMatchObject({
      status: "ok",
      logprobYes: recorded.yes,
      logprobNo: recorded.no,
    });
  });

  test.each([
    [[151644, 151644, 151645], 1, null],
    [[151644, 151645], 1, "151644 1 times"],
    [[151644, 151644, 151645, 151645], 1, "151645 2 times"],
  ])("delimiters of %j for %d turn", (ids, turns, expected) => {
    const delimiters = [
      { id: 151644, per_turn: 1, extra: 1, extra_system: 1 },
      { id: 151645, per_turn: 1, extra: 0, extra_system: 0 },
    ];
    const breach = templateBreach(ids, delimiters, Array(turns).fill({ role: "user" }));
    if (expected === null) expect(breach).toBeNull();
    else expect(breach).toContain(expected);
  });
});
