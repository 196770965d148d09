import { type Cursor, slotForm } from "./cursor.ts";
import { normal, uniform } from "./hash-ids.ts";
import {
  firstWords,
  loopWords,
  plainForm,
  reasoningWords,
  spacedForm,
  tokens,
  verdictForms,
  vocabularySize,
} from "./vocabulary.ts";

/**
 * Natural log-probabilities of the next token: a few ids by name, every other id of the vocabulary at `other`. Positions
 * of one kind share their list of values (the same array), so that what is computed from it can be kept.
 */
export interface Distribution {
  readonly ids: readonly number[];
  readonly logprobs: readonly number[];
  readonly other: number;
}

/** The next token's distribution behind a prefix: a log-softmax over the whole vocabulary, pure in the prefix. */
export function nextToken(cursor: Cursor): Distribution {
  if (cursor.phase === "start") {
    return cursor.facts.kind === "one-word" ? verdict(cursor, plainForm) : expected(cursor, tokens.thinkOpen);
  }
  if (cursor.phase === "thinking") return thinking(cursor);
  if (cursor.phase === "lost") return lost(cursor);
  const entry = cursor.tail[cursor.tailAt];
  const form = slotForm(entry);
  if (form !== null) return verdict(cursor, form);
  return entry === undefined ? lost(cursor) : expected(cursor, entry);
}

const marginSd = 5;
const promptShare = 0.95;
const leastSure = 2;
const salts = { shade: 30, word: 32, end: 33 };

/**
 * The margin Yes - No in nats at a verdict: about normal around 0 with a standard deviation of 5. Mostly the prompt's,
 * so that two samples of one row agree more than two rows do; the reasoning adds the rest. Sums that the model checked
 * decide the sign, with at least `leastSure`.
 */
function verdictMargin({ facts, hash }: Cursor): number {
  const shade = normal(hash, salts.shade);
  return marginOf(facts, promptShare * facts.liking + Math.sqrt(1 - promptShare ** 2) * shade);
}

/** The margin where no verdict belongs: the prompt's share alone, so that it looks like the real one. */
function strayMargin({ facts }: Cursor): number {
  return marginOf(facts, promptShare * facts.liking);
}

function marginOf({ sums }: Cursor["facts"], liking: number): number {
  const margin = marginSd * liking;
  if (sums === "none") return margin;
  const sure = leastSure + Math.abs(margin);
  return sums === "right" ? sure : -sure;
}

/** What every id has that nobody would say; the recorded toy judge printed -24 for these. */
const backgroundLogit = -24;
/** Yes and No together where no verdict belongs: 1e-7. A prompt cut one token off is told by it (research 08). */
const strayLogit = -16.1;
/** `</think>` out of turn. Rare enough that a million rows sampled at temperature 1 hold a handful of broken ones. */
const impatientLogit = -16;

const strayPair = verdictForms[spacedForm] ?? { yes: 0, no: 0 };

/** One token, nearly certain. */
function expected(cursor: Cursor, id: number): Distribution {
  const kept = keep(cursor, "expected", () => [0, impatientLogit, ...splitPair(strayLogit, strayMargin(cursor))]);
  return { ...kept, ids: [id, tokens.thinkClose, strayPair.yes, strayPair.no] };
}

function thinking(cursor: Cursor): Distribution {
  const isFirst = cursor.thought === 0 && cursor.thinkingLength > 0;
  if (cursor.thinkingLength === Number.POSITIVE_INFINITY && !isFirst) {
    const kept = keep(cursor, "loop", () => [0, -24, -24, -24, impatientLogit, ...strays(cursor)]);
    return { ...kept, ids: wordIds(loopWords, cursor.thought, 4, tokens.thinkClose) };
  }
  const words = isFirst ? firstWords : reasoningWords;
  const isOver = !isFirst && cursor.thought >= cursor.thinkingLength;
  const kept = isOver
    ? keep(cursor, "over", () => [...wordLogits(-4), 0, ...strays(cursor)])
    : keep(cursor, "thinking", () => [...wordLogits(0), impatientLogit, ...strays(cursor)]);
  return { ...kept, ids: wordIds(words, pickWord(cursor, words.length), wordsTold, tokens.thinkClose) };
}

/** Behind a prefix that the model would never have written: any word, and an end about every 24 tokens. */
function lost(cursor: Cursor): Distribution {
  const ends = uniform(cursor.hash, salts.end) < 1 / 24;
  const kept = ends
    ? keep(cursor, "lost, ends", () => [...wordLogits(-4), 0, ...strays(cursor)])
    : keep(cursor, "lost", () => [...wordLogits(0), -6, ...strays(cursor)]);
  return { ...kept, ids: wordIds(reasoningWords, pickWord(cursor, reasoningWords.length), wordsTold, tokens.imEnd) };
}

const wordsTold = 8;

function wordLogits(top: number): number[] {
  return Array.from({ length: wordsTold }, (_, i) => top - 0.7 * i);
}

function pickWord({ hash }: Cursor, count: number): number {
  return Math.floor(uniform(hash, salts.word) * count);
}

/** `count` words from the `first` on, then `end`, then the pair that strays. */
function wordIds(words: readonly (readonly [string, number])[], first: number, count: number, end: number): number[] {
  const ids: number[] = [];
  for (let i = 0; i < count; i += 1) ids.push(words[(first + i) % words.length]?.[1] ?? 0);
  ids.push(end, strayPair.yes, strayPair.no);
  return ids;
}

function strays(cursor: Cursor): [number, number] {
  return splitPair(strayLogit, strayMargin(cursor));
}

const verdictIds = [...verdictForms.flatMap(({ yes, no }) => [yes, no]), tokens.thinkClose];

/** Nearly all mass on one pair, split by the margin; the other forms have the same split, far below. */
function verdict(cursor: Cursor, form: number): Distribution {
  const margin = verdictMargin(cursor);
  const pairs = verdictForms.flatMap((_, i) => splitPair(i === form ? 0 : otherFormLogit(form, i), margin));
  return { ...logSoftmax([...pairs, impatientLogit]), ids: verdictIds };
}

/** A model told to answer in one word spreads more over the spellings than one behind its own anchor. */
function otherFormLogit(form: number, other: number): number {
  if (form === plainForm) return other === spacedForm ? -4 : -7;
  return -13;
}

/** The logits of a pair that together weigh `top`. */
function splitPair(top: number, margin: number): [yes: number, no: number] {
  return [top + logSigmoid(margin), top + logSigmoid(-margin)];
}

function logSigmoid(x: number): number {
  return x < 0 ? x - Math.log1p(Math.exp(x)) : -Math.log1p(Math.exp(-x));
}

type Values = Omit<Distribution, "ids">;

/** Values that are the same at every such position of a row are computed once: a row has up to 16,000 positions. */
function keep({ kept }: Cursor, kind: string, logits: () => number[]): Values {
  let values = kept.get(kind);
  if (values === undefined) {
    values = logSoftmax(logits());
    kept.set(kind, values);
  }
  return values;
}

function logSoftmax(logits: readonly number[]): Values {
  let total = (vocabularySize - logits.length) * Math.exp(backgroundLogit);
  for (const logit of logits) total += Math.exp(logit);
  const norm = Math.log(total);
  return { logprobs: logits.map((logit) => logit - norm), other: backgroundLogit - norm };
}
