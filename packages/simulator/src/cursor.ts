import { addId, type IdHash, normal, uniform } from "./hash-ids.ts";
import { type PromptFacts, readPrompt } from "./read-prompt.ts";
import { plainForm, spacedForm, tokens, verdictForms } from "./vocabulary.ts";

/** What makes one simulated model different from another. */
export interface Mind {
  readonly seed: number;
  /** mean number of tokens in the thinking */
  readonly reasoningTokens: number;
  /** share of answers in another form, 0 to 1 */
  readonly oddities: number;
}

/**
 * Where the model stands behind a prefix. Everything in it follows from the prefix's ids and the mind, so that a second
 * request that sends the same ids finds the same log-probabilities.
 */
export interface Cursor {
  readonly mind: Mind;
  readonly facts: PromptFacts;
  readonly hash: IdHash;
  /** start: nothing generated. tail: behind the thinking. lost: the prefix is none that this model would write */
  phase: "start" | "thinking" | "tail" | "lost";
  /** tokens of thinking so far */
  thought: number;
  /** tokens of thinking after which it closes; Infinity for a loop; known once the first word stands */
  thinkingLength: number;
  /** ids that follow the thinking; a slot is `verdictSlot(form)` */
  tail: readonly number[];
  tailAt: number;
  /** log-probabilities that are the same at many positions behind this prompt, by kind of position */
  readonly kept: Map<string, { readonly logprobs: readonly number[]; readonly other: number }>;
}

/** The cursor behind all of `ids`: a prompt, or a prompt and the beginning of its answer. Linear. */
export function openCursor(ids: readonly number[], mind: Mind): Cursor {
  const facts = readPrompt(ids, mind.seed);
  const cursor: Cursor = {
    mind,
    facts,
    hash: { ...facts.hash },
    phase: facts.kind === "none" ? "lost" : "start",
    thought: 0,
    thinkingLength: Number.POSITIVE_INFINITY,
    tail: [],
    tailAt: 0,
    kept: new Map(),
  };
  for (let i = facts.promptLength; i < ids.length; i += 1) advance(cursor, ids[i] ?? 0);
  return cursor;
}

/** Moves the cursor behind one more id, in place. */
export function advance(cursor: Cursor, id: number): void {
  addId(cursor.hash, id);
  if (cursor.phase === "start") begin(cursor, id);
  else if (cursor.phase === "thinking") think(cursor, id);
  else if (cursor.phase === "tail") follow(cursor, id);
}

function begin(cursor: Cursor, id: number): void {
  if (id === tokens.thinkOpen) {
    cursor.phase = "thinking";
    if (cursor.mind.reasoningTokens === 0) decide(cursor);
  } else if (cursor.facts.kind === "one-word") {
    cursor.phase = "tail";
    cursor.tail = oneWordTail;
    follow(cursor, id);
  } else cursor.phase = "lost";
}

function think(cursor: Cursor, id: number): void {
  if (id === tokens.thinkClose) {
    if (cursor.tail.length === 0) decide(cursor);
    cursor.phase = "tail";
    return;
  }
  cursor.thought += 1;
  if (cursor.thought === 1) decide(cursor);
}

function follow(cursor: Cursor, id: number): void {
  const expected = cursor.tail[cursor.tailAt];
  const form = slotForm(expected);
  const fits = form === null ? id === expected : verdictForms.some(({ yes, no }) => id === yes || id === no);
  if (fits) cursor.tailAt += 1;
  else cursor.phase = "lost";
}

/**
 * How long to think and in which form to answer: decided by the prompt and the first word, so that another sampling
 * seed may get another length.
 */
function decide(cursor: Cursor): void {
  const odd = uniform(cursor.hash, salts.odd) < cursor.mind.oddities;
  const oddity = odd ? oddTails[Math.floor(uniform(cursor.hash, salts.oddity) * oddTails.length)] : undefined;
  const tail = cursor.facts.kind === "one-word" ? [tokens.blankLine, ...oneWordTail] : (oddity?.tail ?? plainTail);
  cursor.tail = tail;
  cursor.thinkingLength = oddity?.loops === true ? Number.POSITIVE_INFINITY : drawLength(cursor);
}

/** Spread of ln(length): the longest of a thousand is then about ten times the mean, as with real judges. */
const lengthSigma = 0.8;

function drawLength({ mind, hash }: Cursor): number {
  if (mind.reasoningTokens === 0) return 0;
  const mu = Math.log(mind.reasoningTokens) - lengthSigma ** 2 / 2;
  return Math.max(1, Math.round(Math.exp(mu + lengthSigma * normal(hash, salts.length))));
}

const salts = { odd: 20, oddity: 21, length: 22 };

/** A place in a tail where the verdict stands, in one of the forms. Negative: no token has such an id. */
function verdictSlot(form: number): number {
  return -1 - form;
}

/** The form asked for at this place of a tail; null where a plain token stands. */
export function slotForm(entry: number | undefined): number | null {
  return entry !== undefined && entry < 0 ? -1 - entry : null;
}

const { blankLine, final, jud, gement, colon, colonNewline, colonBold, bold, spaceBold, dot, imEnd } = tokens;
const plainTail: readonly number[] = [blankLine, final, jud, gement, colon, verdictSlot(spacedForm), imEnd];
const oneWordTail: readonly number[] = [verdictSlot(plainForm), imEnd];

/** The forms that real judges were seen to slip into, in equal shares. */
const oddTails: readonly { readonly tail: readonly number[]; readonly loops?: boolean }[] = [
  // **Final Judgement:** Yes
  { tail: [blankLine, bold, final, jud, gement, colonBold, verdictSlot(spacedForm), imEnd] },
  // Final Judgement: **Yes**
  { tail: [blankLine, final, jud, gement, colon, spaceBold, verdictSlot(plainForm), bold, imEnd] },
  { tail: [blankLine, final, jud, gement, colonNewline, verdictSlot(plainForm), imEnd] },
  { tail: [blankLine, final, jud, gement, colon, verdictSlot(spacedForm), dot, imEnd] },
  // "The answer stays open.": no verdict
  { tail: [blankLine, 785, 4226, 26558, 1787, dot, imEnd] },
  { tail: plainTail, loops: true },
];
