import type { Profile } from "./profile.ts";

/** U+200B, zero width space: breaks a special token up without changing what a reader sees. */
const breaker = "\u200b";

/**
 * Role delimiters, BOS/EOS and think tags of common templates, for profiles that list none. Tool and fim tags are left
 * alone: agentic rollouts carry them in every row.
 */
const generalPattern =
  "<[|\uff5c][^<>]{1,40}[|\uff5c]>|</?s>|<bos>|<eos>|\\[/?INST\\]|<</?SYS>>|<start_of_turn>|<end_of_turn>|</?think>";

/**
 * Breaks up every string that the profile's template would turn into a special token (P11: no row's text becomes
 * template). `count` is the number of places broken. Idempotent; taking the inserted U+200B out again gives the text
 * back; linear in the text's length. Every place where a special begins is broken, overlapping ones included.
 */
export function neutraliseSpecials(text: string, specials: Profile["specials"]): { text: string; count: number } {
  let count = 0;
  const neutralised = text.replace(specialsPattern(specials), (first) => {
    count += 1;
    return first + breaker;
  });
  return { text: neutralised, count };
}

const patterns = new WeakMap<Profile["specials"], RegExp>();

/** Matches the first character of each special, looking ahead at the rest, so that overlapping ones are all found. */
function specialsPattern(specials: Profile["specials"]): RegExp {
  let pattern = patterns.get(specials);
  if (pattern === undefined) {
    const listed = [...specials.openers, ...specials.closers, ...specials.others];
    const any = listed.length === 0 ? generalPattern : listed.map(escapeRegExp).join("|");
    pattern = new RegExp(`(?=${any})[\\s\\S]`, "gu");
    patterns.set(specials, pattern);
  }
  return pattern;
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
