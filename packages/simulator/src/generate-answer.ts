import { advance, type Cursor } from "./cursor.ts";
import { uniform } from "./hash-ids.ts";
import { nextToken } from "./next-token.ts";
import { createSampler, type Sampling } from "./sample-token.ts";
import { detokenize } from "./tokenizer.ts";
import { hiddenIds, tokens } from "./vocabulary.ts";

export interface Ending {
  readonly maxTokens: number;
  readonly stop: readonly string[];
  readonly ignoreEos: boolean;
}

export interface Answer {
  /** every generated id, the end-of-sequence id included */
  readonly ids: readonly number[];
  readonly text: string;
  readonly finishReason: "stop" | "length" | "abort";
  /** the stop string that ended it */
  readonly stopReason: string | null;
}

/**
 * Writes the whole answer behind the cursor, which it moves. The chance of each step is a hash of the prefix and the
 * request's seed: the same request is always answered the same, as no real server promises.
 */
export function generateAnswer(cursor: Cursor, sampling: Sampling, ending: Ending): Answer {
  const ids: number[] = [];
  const sample = createSampler(sampling);
  const seedSalt = salts.chance + (sampling.seed ?? 0);
  const findStop = stopSearch(ending.stop.filter((stop) => stop !== ""));
  while (ids.length < ending.maxTokens) {
    const id = sample(nextToken(cursor), uniform(cursor.hash, seedSalt));
    ids.push(id);
    advance(cursor, id);
    if (id === tokens.imEnd && !ending.ignoreEos) return end(ids, "stop", null);
    const found = findStop(id);
    if (found !== null) return { ids, text: found.before, finishReason: "stop", stopReason: found.stop };
  }
  return end(ids, "length", null);
}

const salts = { chance: 40 };

/** The text of generated ids, without the specials that a server hides. */
export function answerText(ids: readonly number[]): string {
  return detokenize(ids.filter((id) => !hiddenIds.has(id)));
}

/** The text of the first `end` ids, without a character that is not whole yet. */
export function textUntil({ ids, text }: Answer, end: number): string {
  return end === ids.length ? text : answerText(ids.slice(0, end)).replace(/\uFFFD+$/, "");
}

function end(ids: readonly number[], finishReason: Answer["finishReason"], stopReason: string | null): Answer {
  return { ids, text: answerText(ids), finishReason, stopReason };
}

/** Looks for stop strings as tokens come, one call a token; keeps the text only when there are some. */
function stopSearch(stops: readonly string[]): (id: number) => { stop: string; before: string } | null {
  const longest = Math.max(0, ...stops.map((stop) => stop.length));
  let text = "";
  return (id) => {
    if (stops.length === 0) return null;
    const from = Math.max(0, text.length - longest);
    text += answerText([id]);
    for (const stop of stops) {
      const at = text.indexOf(stop, from);
      if (at >= 0) return { stop, before: text.slice(0, at) };
    }
    return null;
  };
}
