import { profileByName } from "@assay/core";

/**
 * The simulator's vocabulary: Qwen3's ids wherever an id means something (specials, verdict words, anchor, reasoning
 * words, single bytes), and an arithmetic range of its own for pieces of other words. The ids were printed by the real
 * tokenizer, which is not asked here: it is 86 MB.
 */

/** As a real server names it in "out-of-vocab token ids. Vocabulary size: 151936". */
export const vocabularySize = 151_936;

export const tokens = {
  endOfText: 151_643,
  imStart: 151_644,
  imEnd: 151_645,
  thinkOpen: 151_667,
  thinkClose: 151_668,
  newline: 198,
  blankLine: 271,
  colon: 25,
  colonNewline: 510,
  bold: 334,
  spaceBold: 3070,
  colonBold: 66_963,
  dot: 13,
  final: 19_357,
  jud: 11_213,
  gement: 29_564,
  assistant: 77_091,
} as const;

/** Strings that become one id wherever they stand, also in the middle of a row's text. */
export const specialTokens: readonly (readonly [text: string, id: number])[] = [
  ["<|endoftext|>", tokens.endOfText],
  ["<|im_start|>", tokens.imStart],
  ["<|im_end|>", tokens.imEnd],
  ["<tool_call>", 151_657],
  ["</tool_call>", 151_658],
  ["<think>", tokens.thinkOpen],
  ["</think>", tokens.thinkClose],
];

/** The ids that are left out of the answer's text. `<think>` and `</think>` are no such: Qwen3 shows them. */
export const hiddenIds: ReadonlySet<number> = new Set([tokens.endOfText, tokens.imStart, tokens.imEnd]);

export interface Form {
  readonly yes: number;
  readonly no: number;
}

/** The six verdict forms in the order of the profile: " Yes", "Yes", " yes", "yes", " YES", "YES". */
export const verdictForms: readonly Form[] = readForms();

/** Places in `verdictForms`. */
export const spacedForm = 0;
export const plainForm = 1;

const formTexts: readonly (readonly [string, number])[] = (
  profileByName("genrm-principle")?.verdict.forms ?? []
).flatMap(({ yes, no }, i): (readonly [string, number])[] => [
  [yes, verdictForms[i]?.yes ?? 0],
  [no, verdictForms[i]?.no ?? 0],
]);

function readForms(): readonly Form[] {
  const forms = profileByName("genrm-principle")?.verdict.forms ?? [];
  return forms.map(({ yes, yes_id, no_id }) => {
    if (yes_id === null || no_id === null) throw new Error(`genrm-principle: form ${JSON.stringify(yes)} has no ids`);
    return { yes: yes_id, no: no_id };
  });
}

/** Words a reasoning may begin with. */
export const firstWords: readonly (readonly [string, number])[] = [
  ["Let", 10061],
  ["So", 4416],
  ["The", 785],
  ["This", 1986],
  ["First", 5338],
  ["We", 1654],
  ["Since", 12549],
  ["Looking", 22464],
];

/** A reasoning that loops says these four for ever, as the recorded toy judge does. */
export const loopWords: readonly (readonly [string, number])[] = [
  [" so", 773],
  [" then", 1221],
  [" maybe", 7196],
  [" still", 2058],
];

/** Words of the reasoning. None of them is a verdict word. */
export const reasoningWords: readonly (readonly [string, number])[] = [
  ...loopWords,
  [" me", 752],
  [" weigh", 17529],
  [" the", 279],
  [" response", 2033],
  [" answer", 4226],
  [" question", 3405],
  [" principle", 17508],
  [" is", 374],
  [" it", 432],
  [" this", 419],
  [" that", 429],
  [" and", 323],
  [" but", 714],
  [" because", 1576],
  [" not", 537],
  [" clear", 2797],
  [" correct", 4396],
  [" good", 1661],
  [" bad", 3873],
  [" first", 1156],
  [" second", 2086],
  [" point", 1459],
  [" check", 1779],
  [" step", 3019],
  [" says", 2727],
  [" asks", 17064],
  [" user", 1196],
  [" whether", 3425],
  [" also", 1083],
  [" however", 4764],
  [" since", 2474],
  [" seems", 4977],
  [" should", 1265],
  [" would", 1035],
  [" could", 1410],
  [" more", 803],
  [" less", 2686],
  [" most", 1429],
  [" some", 1045],
  [" all", 678],
  [" one", 825],
  [" two", 1378],
  [" here", 1588],
  [" there", 1052],
  [" again", 1549],
  [" reads", 15804],
  [" holds", 9982],
  [" matters", 12850],
  [" right", 1290],
  [" wrong", 4969],
  [" enough", 3322],
  [" given", 2661],
  [" while", 1393],
  [" what", 1128],
  [" how", 1246],
];

/** Whole words of one id that a text is read with. */
export const wordTokens: readonly (readonly [string, number])[] = [
  ...formTexts,
  ...firstWords,
  ...reasoningWords,
  ["user", 872],
  ["assistant", tokens.assistant],
  ["system", 8948],
  ["Final", tokens.final],
  [" Final", 13023],
  [" Jud", tokens.jud],
  ["gement", tokens.gement],
  [" stays", 26558],
  [" open", 1787],
];

/** Whole words of several ids, as Qwen3 cuts them. */
export const compoundWords: readonly (readonly [string, readonly number[]])[] = [
  [" Judgement", [tokens.jud, tokens.gement]],
  ["principle", [649, 15996]],
];

/** Marks of one id, longest first. */
export const markTokens: readonly (readonly [string, number])[] = [
  [":**", tokens.colonBold],
  [":\n\n", 1447],
  [" **", tokens.spaceBold],
  ["\n\n", tokens.blankLine],
  [":\n", tokens.colonNewline],
  ["**", tokens.bold],
];
