import { describe, expect, test } from "@jest/globals";
import type { Completion } from "../src/completion.ts";
import { findVerdict, logprobsAt } from "../src/find-verdict.ts";
import { type Profile, resolveForms } from "../src/profile.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import { scalarPrinciple } from "../src/profiles/scalar-principle.ts";
import { yesNo } from "../src/profiles/yes-no.ts";
import { readVerdict } from "../src/read-verdict.ts";
import { buildCompletion, buildPosition, qwen3 } from "./build-completion.ts";

/** Where find-verdict and read-verdict meet: cases that one of them alone does not show. */

const anchorIds = qwen3.finalJudgement;
const closedThinking = [qwen3.thinkOpen, 2132, qwen3.thinkClose, qwen3.blankLine];

/** What a row comes to when it is asked in one request: status and both log-probabilities. */
function judge(completion: Completion, profile: Profile, by: "ids" | "top" = "ids") {
  const found = findVerdict(completion, profile);
  if (!found.found) return [found.status];
  const at = logprobsAt(completion, found.position);
  if (at === null) return ["untold"];
  const { status, logprobYes, logprobNo, floored } = readVerdict(at, found.form, profile, by);
  return [status, logprobYes, logprobNo, floored];
}

describe("verdict table: what was asked is not what was answered", () => {
  const verdictInPrompt = [qwen3.imStart, ...anchorIds, 25, 7414, qwen3.imEnd, 198, qwen3.imStart, 77091, 198];

  test("an anchor and a verdict in the judged response are never read", () => {
    const silent = buildCompletion({
      content: "It adds up.",
      tokenIds: [2132, 11367, 705, 13, qwen3.imEnd],
      promptTokenIds: verdictInPrompt,
    });
    expect(judge(silent, genrmPrinciple)).toEqual(["no_verdict"]);
    // the model quotes the response in its thinking, and ends in a word of its own without the anchor
    const quoting = buildCompletion({
      content: "<think>It says: Final Judgement: Yes</think>\n\nI say No",
      tokenIds: [
        qwen3.thinkOpen,
        ...anchorIds,
        25,
        7414,
        qwen3.thinkClose,
        qwen3.blankLine,
        40,
        1977,
        2308,
        qwen3.imEnd,
      ],
      promptTokenIds: verdictInPrompt,
    });
    expect(judge(quoting, genrmPrinciple)).toEqual(["no_verdict"]);
  });

  test("a server that leaves the think tags out of the text: the ids still tell thinking from verdict", () => {
    const verdict = "Final Judgement: Yes";
    const inside = [qwen3.thinkOpen, ...anchorIds, 25, 7414, qwen3.thinkClose, qwen3.imEnd];
    expect(judge(buildCompletion({ content: verdict, tokenIds: inside }), genrmPrinciple)).toEqual(["no_verdict"]);
    const behind = [...closedThinking, ...anchorIds, 25, 7414, qwen3.imEnd];
    expect(
      findVerdict(buildCompletion({ content: `So.\n\n${verdict}`, tokenIds: behind }), genrmPrinciple),
    ).toMatchObject({ found: true, position: 8 });
  });
});

describe("verdict table: log-probabilities of the two-spaces form, at its place", () => {
  test.each([
    ["with the end token", [qwen3.imEnd]],
    ["without", []],
  ])("%s", (_name, end) => {
    const tokenIds = [...closedThinking, ...anchorIds, 25, 220, 7414, ...end];
    const logprobs = tokenIds.map((id) => buildPosition([id, -1], [1, -30], [2, -30])).slice(-8);
    const place = logprobs.length - 1 - end.length;
    logprobs[place] = buildPosition([7414, -0.25], [2308, -1.5]);
    const completion = buildCompletion({
      content: "<think>So</think>\n\nFinal Judgement:  Yes",
      tokenIds,
      logprobs,
      logprobsEnd: tokenIds.length,
    });
    expect(judge(completion, genrmPrinciple)).toEqual(["ok", -0.25, -1.5, false]);
  });
});

describe("verdict table: -9999 gives no reward, wherever it stands", () => {
  const answered = (...told: readonly (readonly [number, number])[]): Completion =>
    buildCompletion({
      content: "<think>So</think>\n\nFinal Judgement: Yes",
      tokenIds: [...closedThinking, ...anchorIds, 25, 7414],
      logprobs: [buildPosition(...told)],
      logprobsEnd: 9,
    });

  test.each<[string, [number, number][], unknown[]]>([
    [
      "for the loser",
      [
        [7414, 0],
        [2308, -9999],
      ],
      ["no_verdict", 0, -9999, false],
    ],
    [
      "for the winner, sampled by nobody",
      [
        [7414, -9999],
        [2308, 0],
      ],
      ["no_verdict", -9999, 0, false],
    ],
    [
      "for both",
      [
        [7414, -9999],
        [2308, -9999],
      ],
      ["no_verdict", -9999, -9999, false],
    ],
  ])("%s", (_name, told, expected) => {
    expect(judge(answered(...told), genrmPrinciple)).toEqual(expected);
  });

  test("as the bound of a top list", () => {
    expect(judge(answered([7414, 0], [13, -9999]), genrmPrinciple, "top")).toEqual(["no_verdict", 0, -9999, true]);
  });

  test("summed over all forms, where the sum of six is a little more", () => {
    const words = yesNo.verdict.forms.flatMap(({ yes, no }) => [yes, no]);
    const profile = resolveForms(yesNo, new Map(words.map((word, i) => [word, i])));
    const at = words.map((_word, i) => [i, i % 2 === 0 ? Math.log(1 / 6) : -9999] as const);
    const completion = buildCompletion({ finishReason: "length", logprobs: [buildPosition(...at)] });
    const [status, yes, no] = judge(completion, profile) as [string, number, number];
    expect(status).toBe("no_verdict");
    expect(yes).toBeCloseTo(0, 9);
    expect(no).toBeCloseTo(-9999 + Math.log(6), 9);
  });
});

describe("verdict table: one-token profiles end in length", () => {
  const yesNoIds = resolveForms(
    yesNo,
    new Map([
      ["Yes", 10539],
      ["No", 5230],
    ]),
  );
  const one = (id: number, ...told: readonly (readonly [number, number])[]): Completion =>
    buildCompletion({ content: "x", finishReason: "length", tokenIds: [id], logprobs: [buildPosition(...told)] });

  test.each<[string, Profile, Completion, unknown[]]>([
    ["scalar: Yes", scalarPrinciple, one(9642, [9642, -0.1], [2822, -3]), ["ok", -0.1, -3, false]],
    ["scalar: No", scalarPrinciple, one(2822, [2822, -0.1], [9642, -3]), ["ok", -3, -0.1, false]],
    ["yes-no: Yes", yesNoIds, one(10539, [10539, -0.1], [5230, -3]), ["ok", -0.1, -3, false]],
    [
      "another token, the two still hold most",
      scalarPrinciple,
      one(1, [1, -0.9], [9642, -1], [2822, -1.4]),
      ["ok", -1, -1.4, false],
    ],
    [
      "another token holds most",
      scalarPrinciple,
      one(1, [1, -0.2], [9642, -2], [2822, -3]),
      ["no_verdict", -2, -3, false],
    ],
    ["an id was not told", scalarPrinciple, one(9642, [9642, -0.1]), ["engine_error", null, null, false]],
  ])("%s", (_name, profile, completion, expected) => {
    expect(judge(completion, profile)).toEqual(expected);
  });

  test("top list, neither word in it: verdict_not_in_topk, for the pair and for the sum", () => {
    const other = one(1, [1, -0.1], [2, -3]);
    expect(judge(other, scalarPrinciple, "top")).toEqual(["verdict_not_in_topk", null, null, false]);
    expect(judge(other, yesNo, "top")).toEqual(["verdict_not_in_topk", null, null, false]);
  });

  test("top list that tells texts alone: forms without ids are read by their words", () => {
    const told = buildPosition(["Yes", Math.log(0.5)], [" yes", Math.log(0.2)], ["No", Math.log(0.25)], ["x", -9]);
    const [status, yes, no, floored] = judge(
      buildCompletion({ finishReason: "length", logprobs: [told] }),
      yesNo,
      "top",
    );
    expect([status, floored]).toEqual(["ok", false]);
    expect(yes).toBeCloseTo(Math.log(0.7), 9);
    expect(no).toBeCloseTo(Math.log(0.25), 9);
  });

  test("a server that tells no log-probabilities has failed; it has not judged", () => {
    const silent = buildCompletion({ content: "Yes", finishReason: "length", tokenIds: [9642] });
    expect(judge(silent, scalarPrinciple)).toEqual(["engine_error"]);
    expect(judge({ ...silent, content: "", logprobs: [] }, scalarPrinciple)).toEqual(["no_verdict"]);
  });

  test("the answer is the token's text, also where the server prints its id", () => {
    const printed = (text: string) => ({ sampled: { id: 9642, text, logprob: -0.1 }, told: [] });
    for (const text of ["Yes", "token_id:9642"]) {
      const completion = buildCompletion({ finishReason: "length", logprobs: [printed(text)] });
      expect(findVerdict(completion, scalarPrinciple)).toMatchObject({ found: true, answer: "Yes" });
    }
  });
});

describe("verdict table: mass", () => {
  const at = (yes: number, no: number) => buildPosition([7414, Math.log(yes)], [2308, Math.log(no)]);
  const usual = genrmPrinciple.verdict.forms[0] ?? null;

  test.each<[number, number, string]>([
    [0.0051, 0.005, "ok"],
    [0.0049, 0.005, "no_verdict"],
    [0.99, 1e-12, "ok"],
    [1e-9, 1e-9, "no_verdict"],
  ])("Yes %p and No %p: %s", (yes, no, status) => {
    const read = readVerdict(at(yes, no), usual, genrmPrinciple, "ids");
    expect(read.status).toBe(status);
    expect(read.mass).toBeCloseTo(yes + no, 12);
  });

  test("a profile without a least mass takes any, as long as there is a reading", () => {
    const free = { ...genrmPrinciple, verdict: { ...genrmPrinciple.verdict, min_mass: 0 } };
    expect(readVerdict(at(1e-20, 1e-21), usual, free, "ids").status).toBe("ok");
  });

  test("the pair of the sampled form, not of all forms", () => {
    const spread = buildPosition([7414, Math.log(0.004)], [2308, Math.log(0.004)], [9454, Math.log(0.9)], [2753, -9]);
    expect(readVerdict(spread, usual, genrmPrinciple, "ids").status).toBe("no_verdict");
  });
});
