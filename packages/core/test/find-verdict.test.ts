import { describe, expect, test } from "@jest/globals";
import type { Completion } from "../src/completion.ts";
import { type FoundVerdict, findVerdict } from "../src/find-verdict.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import { scalarPrinciple } from "../src/profiles/scalar-principle.ts";
import { buildCompletion, buildPosition, qwen3 } from "./build-completion.ts";

const thought = "<think>It adds up.</think>\n\n";
/** A short thinking as ids: opened, one word, closed, blank line. */
const thoughtIds = [qwen3.thinkOpen, 2132, qwen3.thinkClose, qwen3.blankLine];
const anchorIds = qwen3.finalJudgement;
const eos = qwen3.imEnd;

/** What the tests look at: where it stands and what it says, or the status. */
function told(found: FoundVerdict): [number, string | null] | string {
  return found.found ? [found.position, found.answer] : found.status;
}

/** Ids and text of an answer whose thinking is closed. */
function answer(text: string, ids: readonly number[], more: Partial<Completion> = {}): Completion {
  return buildCompletion({ content: thought + text, tokenIds: [...thoughtIds, ...ids], ...more });
}

describe("find-verdict: the forms, as the real tokenizer writes them", () => {
  test.each<[string, string, number[], number, string]>([
    ["the usual end", "Final Judgement: Yes", [...anchorIds, 25, 7414, eos], 8, " Yes"],
    ["No", "Final Judgement: No", [...anchorIds, 25, 2308, eos], 8, " No"],
    ["without the end token", "Final Judgement: Yes", [...anchorIds, 25, 7414], 8, " Yes"],
    ["bold anchor, one token for :**", "**Final Judgement:** Yes", [334, ...anchorIds, 66963, 7414, eos], 9, " Yes"],
    ["two spaces", "Final Judgement:  Yes", [...anchorIds, 25, 220, 7414, eos], 9, " Yes"],
    ["bold verdict", "Final Judgement: **Yes**", [...anchorIds, 25, 3070, 9454, 334, eos], 9, "Yes"],
    ["new line", "Final Judgement:\nYes", [...anchorIds, 510, 9454, eos], 8, "Yes"],
    ["blank line", "Final Judgement:\n\nNo", [...anchorIds, 1447, 2753, eos], 8, "No"],
    ["no space", "Final Judgement:Yes", [...anchorIds, 25, 9454, eos], 8, "Yes"],
    ["lower case", "Final Judgement: yes", [...anchorIds, 25, 9834, eos], 8, " yes"],
    ["lower case, new line", "Final Judgement:\nno", [...anchorIds, 510, 2152, eos], 8, "no"],
    ["upper case", "Final Judgement: NO", [...anchorIds, 25, 5664, eos], 8, " NO"],
    ["upper case, new line", "Final Judgement:\nYES", [...anchorIds, 510, 14004, eos], 8, "YES"],
    ["trailing dot", "Final Judgement: Yes.", [...anchorIds, 25, 7414, 13, eos], 8, " Yes"],
    ["five ids from the end", "Final Judgement: Yes...", [...anchorIds, 25, 7414, 13, 13, 13, eos], 8, " Yes"],
    ["trailing dot and new line", "Final Judgement: Yes.\n", [...anchorIds, 25, 7414, 624, eos], 8, " Yes"],
    [
      "heading, other ids for Final",
      "### Final Judgement: Yes",
      [14374, 13023, 11213, 29564, 25, 7414, eos],
      9,
      " Yes",
    ],
    ["Judgment without e", "Final Judgment: Yes", [19357, 68745, 25, 7414, eos], 7, " Yes"],
    ["the end token left in the text", "Final Judgement: Yes<|im_end|>", [...anchorIds, 25, 7414, eos], 8, " Yes"],
    [
      "an earlier verdict corrected",
      "Final Judgement: No\nFinal Judgement: Yes",
      [...anchorIds, 25, 2308, 198, ...anchorIds, 25, 7414, eos],
      14,
      " Yes",
    ],
  ])("%s", (_name, text, ids, position, word) => {
    expect(told(findVerdict(answer(text, ids), genrmPrinciple))).toEqual([position, word]);
  });

  test.each<[string, string, number[]]>([
    ["both words after the last anchor", "Final Judgement: Yes or No", [...anchorIds, 25, 7414, 476, 2308, eos]],
    ["both words side by side", "Final Judgement: Yes/No", [...anchorIds, 25, 7414, 37985, eos]],
    ["no anchor", "I would say Yes", [40, 1035, 1977, 7414, eos]],
    ["anchor without verdict", "Final Judgement:", [...anchorIds, 25, eos]],
    ["words after the verdict", "Final Judgement: Yes, it adds up", [...anchorIds, 25, 7414, 11, 432, 11367, eos]],
    ["a longer word that begins like one", "Final Judgement: Yesterday", [...anchorIds, 25, 7414, 75, 1312, eos]],
    ["a number before the verdict", "Final Judgement: 9 Yes", [...anchorIds, 25, 220, 24, 7414, eos]],
    ["two colons", "Final Judgement:: Yes", [...anchorIds, 486, 7414, eos]],
    ["the text says another form than the id", "Final Judgement: yes", [...anchorIds, 25, 7414, eos]],
    ["the id wants a space that the text has not", "Final Judgement:\nYes", [...anchorIds, 510, 7414, eos]],
    ["six ids from the end", "Final Judgement: Yes....", [...anchorIds, 25, 7414, 13, 13, 13, 13, eos]],
  ])("no_verdict: %s", (_name, text, ids) => {
    expect(told(findVerdict(answer(text, ids), genrmPrinciple))).toBe("no_verdict");
  });
});

test("find-verdict: words whose ids nobody knows are found by their text, beside ids of an answer", () => {
  const unknown = { yes_id: null, no_id: null };
  const forms = genrmPrinciple.verdict.forms.map((form) => ({ ...form, ...unknown }));
  const profile = { ...genrmPrinciple, verdict: { ...genrmPrinciple.verdict, forms } };
  const ids = [...anchorIds, 25, 2308, eos];
  const texts = ["Final", " Jud", "gement", ":", " No", "<|im_end|>"];
  const logprobs = texts.map((text, i) => {
    const sampled = { id: ids[i] ?? null, text, logprob: -1 };
    return { sampled, told: [sampled] };
  });
  const completion = answer("Final Judgement: No", ids, {
    logprobs,
    logprobsEnd: thoughtIds.length + ids.length,
  });
  expect(told(findVerdict(completion, profile))).toEqual([8, " No"]);
  const first = { ...profile, verdict: { ...profile.verdict, position: "first" as const } };
  const one = buildCompletion({ finishReason: "length", tokenIds: [2308], logprobs: logprobs.slice(4, 5) });
  expect(findVerdict(one, first)).toMatchObject({ form: { no: " No" }, answer: " No" });
});

describe("find-verdict: thinking", () => {
  test("none at all: a reasoning parser that calls the whole answer thinking changes nothing", () => {
    const tokenIds = [...anchorIds, 25, 7414, eos];
    const all = { reasoning: "Final Judgement: Yes", content: "" };
    const generation = [qwen3.imStart, 77091, 198];
    const read = (promptTokenIds: number[] | null) =>
      told(findVerdict(buildCompletion({ ...all, tokenIds, promptTokenIds }), genrmPrinciple));
    expect(read(generation)).toEqual([4, " Yes"]);
    // where the prompt had opened it, or ids are not told, it may be
    expect(read([...generation, qwen3.thinkOpen, 198])).toBe("no_verdict");
    expect(read(null)).toBe("no_verdict");
    expect(told(findVerdict(buildCompletion(all), genrmPrinciple))).toBe("no_verdict");
  });

  const verdictIds = [...anchorIds, 25, 7414, eos];
  const verdict = "Final Judgement: Yes";

  test("an anchor inside a thinking that was never closed is no verdict", () => {
    const completion = buildCompletion({ content: `<think>${verdict}`, tokenIds: [qwen3.thinkOpen, ...verdictIds] });
    expect(told(findVerdict(completion, genrmPrinciple))).toBe("no_verdict");
    expect(
      told(findVerdict({ ...completion, tokenIds: null, logprobs: [buildPosition([" Yes", -0.1])] }, genrmPrinciple)),
    ).toBe("no_verdict");
  });

  test("an anchor inside the closed thinking alone is no verdict", () => {
    const completion = buildCompletion({
      content: `<think>${verdict}</think>`,
      tokenIds: [qwen3.thinkOpen, ...anchorIds, 25, 7414, qwen3.thinkClose, eos],
    });
    expect(told(findVerdict(completion, genrmPrinciple))).toBe("no_verdict");
  });

  test("a verdict in front of a second end of thinking is thinking, too", () => {
    const completion = answer(`${verdict}</think>`, [...anchorIds, 25, 7414, qwen3.thinkClose, eos]);
    expect(told(findVerdict(completion, genrmPrinciple))).toBe("no_verdict");
  });

  test("a thinking opened again behind the first is open", () => {
    const completion = answer(`<think>${verdict}`, [qwen3.thinkOpen, ...verdictIds]);
    expect(told(findVerdict(completion, genrmPrinciple))).toBe("no_verdict");
  });

  test("a thinking that the prompt opened must be closed by the answer", () => {
    const prompt = [qwen3.imStart, 77091, 198, qwen3.thinkOpen, 198];
    const open = buildCompletion({ content: verdict, tokenIds: verdictIds, promptTokenIds: prompt });
    expect(told(findVerdict(open, genrmPrinciple))).toBe("no_verdict");
    const closed = buildCompletion({
      content: `So.</think>\n\n${verdict}`,
      tokenIds: [4416, 13, qwen3.thinkClose, qwen3.blankLine, ...verdictIds],
      promptTokenIds: prompt,
    });
    expect(told(findVerdict(closed, genrmPrinciple))).toEqual([8, " Yes"]);
    const byText = { tokenIds: null, logprobs: [buildPosition([" Yes", -0.1])] };
    expect(told(findVerdict({ ...open, ...byText }, genrmPrinciple))).toBe("no_verdict");
    expect(told(findVerdict({ ...closed, ...byText, logprobsEnd: 9 }, genrmPrinciple))).toEqual([8, " Yes"]);
  });

  test("a prompt that opens and closes an empty thinking leaves it closed", () => {
    const prompt = [qwen3.imStart, 77091, 198, qwen3.thinkOpen, qwen3.blankLine, qwen3.thinkClose, qwen3.blankLine];
    const completion = buildCompletion({ content: verdict, tokenIds: verdictIds, promptTokenIds: prompt });
    expect(told(findVerdict(completion, genrmPrinciple))).toEqual([4, " Yes"]);
  });

  test("a reasoning parser's text holds no verdict of its own", () => {
    const ids = [qwen3.thinkOpen, ...anchorIds, 25, 2308, qwen3.thinkClose, qwen3.blankLine, ...verdictIds];
    const split = { reasoning: "Final Judgement: No", content: `\n\n${verdict}` };
    expect(told(findVerdict(buildCompletion({ ...split, tokenIds: ids }), genrmPrinciple))).toEqual([12, " Yes"]);
    const cut = { reasoning: verdict, content: "", logprobs: [buildPosition([" Yes", -0.1])] };
    expect(told(findVerdict(buildCompletion(cut), genrmPrinciple))).toBe("no_verdict");
  });
});

describe("find-verdict: how it ended", () => {
  test.each([
    ["length", "truncated"],
    ["repetition", "looped"],
    ["abort", "engine_error"],
    ["content_filter", "engine_error"],
    [null, "engine_error"],
  ])("finish_reason %s is %s, even with a whole verdict", (finishReason, status) => {
    const completion = answer("Final Judgement: Yes", [...anchorIds, 25, 7414], { finishReason });
    expect(told(findVerdict(completion, genrmPrinciple))).toBe(status);
  });

  test("white space without end behind the anchor takes linear time", () => {
    const text = `Final Judgement${" ".repeat(400_000)}1 Yes`;
    expect(told(findVerdict(answer(text, [...anchorIds, 220, 16, 7414, eos]), genrmPrinciple))).toBe("no_verdict");
  });
});

describe("find-verdict: a server that tells texts and no ids", () => {
  test("the last entry whose text is a form, at its place among all generated tokens", () => {
    const logprobs = [":", " Yes", "<|im_end|>"].map((text) => buildPosition([text, -0.1]));
    const completion = buildCompletion({ content: `${thought}Final Judgement: Yes`, logprobs, logprobsEnd: 16 });
    expect(told(findVerdict(completion, genrmPrinciple))).toEqual([14, " Yes"]);
  });

  test("neither ids nor log-probabilities: no verdict", () => {
    expect(told(findVerdict(buildCompletion({ content: "Final Judgement: Yes" }), genrmPrinciple))).toBe("no_verdict");
  });
});

describe("find-verdict: position first", () => {
  test("position 0 is read whatever was sampled there, at length as at stop", () => {
    const other = buildCompletion({
      finishReason: "length",
      logprobs: [buildPosition([1271, -0.5], [9642, -1], [2822, -3])],
    });
    expect(findVerdict(other, scalarPrinciple)).toEqual({ found: true, position: 0, form: null, answer: "<1271>" });
    const yes = buildCompletion({ finishReason: "stop", logprobs: [buildPosition([9642, -0.1], [2822, -3])] });
    expect(findVerdict(yes, scalarPrinciple)).toMatchObject({ found: true, position: 0, form: { yes: "Yes" } });
  });

  test("the first entry told is not position 0 when only the end was kept", () => {
    const late = buildCompletion({ logprobs: [buildPosition([9642, -0.1])], logprobsEnd: 9 });
    expect(told(findVerdict(late, scalarPrinciple))).toBe("no_verdict");
  });

  test("an aborted answer is the engine's fault", () => {
    const completion = buildCompletion({ finishReason: "abort", logprobs: [buildPosition([9642, -0.1])] });
    expect(told(findVerdict(completion, scalarPrinciple))).toBe("engine_error");
  });
});
