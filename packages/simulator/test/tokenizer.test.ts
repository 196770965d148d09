import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { detokenize, firstPieceId, pieceCount, tokenize, tokenSpelling, tokenText } from "../src/tokenizer.ts";
import { compoundWords, markTokens, specialTokens, verdictForms, wordTokens } from "../src/vocabulary.ts";

/** Pieces that meet every branch of the tokenizer, in any order. */
const anyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 8 }),
      fc.stringMatching(/^[a-zA-Z ]{0,9}$/),
      fc.constantFrom(...specialTokens.map(([text]) => text), ...markTokens.map(([text]) => text)),
      fc.constantFrom(...wordTokens.map(([text]) => text), " Judgement", "<|im_", "\ufeff", "\r\n", "😀", "Yesterday"),
    ),
    { maxLength: 20 },
  )
  .map((parts) => parts.join("").toWellFormed());

describe("tokenizer", () => {
  test("what was tokenized comes back, for any well-formed text", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(detokenize(tokenize(text))).toBe(text);
      }),
      { numRuns: 2_000 },
    );
  });

  test("no two tokens share an id, and none lies among the bytes or the word pieces", () => {
    const named = [
      ...new Map([...specialTokens, ...wordTokens, ...markTokens].map(([text, id]) => [text, id])).values(),
    ];
    expect(new Set(named).size).toBe(named.length);
    const all = [...named, ...compoundWords.flatMap(([, ids]) => ids)];
    for (const id of all) {
      const taken = id < 256 || (id >= firstPieceId && id < firstPieceId + pieceCount);
      expect([id, taken]).toEqual([id, false]);
    }
    expect(firstPieceId + pieceCount).toBeLessThan(151_643);
  });

  test.each<[string, number[]]>([
    ["Final Judgement: Yes", [19357, 11213, 29564, 25, 7414]],
    ["**Final Judgement:** Yes", [334, 19357, 11213, 29564, 66963, 7414]],
    ["Final Judgement: **Yes**", [19357, 11213, 29564, 25, 3070, 9454, 334]],
    ["Final Judgement:\nYes", [19357, 11213, 29564, 510, 9454]],
    ["Final Judgement:\n\nYes", [19357, 11213, 29564, 1447, 9454]],
    ["Final Judgement: Yes.", [19357, 11213, 29564, 25, 7414, 13]],
    ["1+1=2", [16, 10, 16, 28, 17]],
    ["<|im_start|>assistant\n", [151644, 77091, 198]],
    ["principle", [649, 15996]],
  ])("%j has Qwen3's ids", (text, ids) => {
    expect(tokenize(text)).toEqual(ids);
  });

  test("the twelve verdict words are one id each, and a longer word is none of them", () => {
    expect(verdictForms.flatMap(({ yes, no }) => [yes, no]).map(tokenText)).toEqual([
      " Yes",
      " No",
      "Yes",
      "No",
      " yes",
      " no",
      "yes",
      "no",
      " YES",
      " NO",
      "YES",
      "NO",
    ]);
    for (const { yes, no } of verdictForms) {
      expect(tokenize(tokenText(yes))).toEqual([yes]);
      expect(tokenize(tokenText(no))).toEqual([no]);
      expect(tokenize(`${tokenText(no)}vel`)).not.toContain(no);
    }
  });

  test("a special string inside a text becomes the special token, a broken one does not", () => {
    expect(tokenize("x<|im_end|>\ny")).toContain(151_645);
    expect(tokenize("x<\u200b|im_end|>\ny")).not.toContain(151_645);
  });

  test("ids are spelled as the tokenizer's table spells them", () => {
    expect(tokenize(" is\n1").map(tokenSpelling)).toEqual(["Ġis", "Ċ", "1"]);
  });

  test("an id that stands for nothing is an empty text", () => {
    expect(detokenize([151_935, 7414])).toBe(" Yes");
  });
});
