/** A shell pattern: `*` and `?` stay within one part of a path, `**` crosses parts, `[abc]`, `[a-z]`, `[!abc]` are sets. */
export interface Glob {
  matches(path: string): boolean;
  /** Can there be a match below this folder? The folders for which it is false need no look. */
  reaches(folder: string): boolean;
}

/**
 * Reads a pattern; every text is one. All its places are followed at once, so that no path and no pattern costs more than
 * the product of their lengths.
 */
export function readGlob(pattern: string): Glob {
  const steps = readSteps(pattern);
  const walk = (path: string): Set<number> => {
    let places = reachable(steps, [0]);
    for (const character of path) {
      if (places.size === 0) break;
      places = reachable(steps, next(steps, places, character));
    }
    return places;
  };
  return {
    matches: (path) => walk(path).has(steps.length),
    reaches: (folder) => walk(folder.endsWith("/") ? folder : `${folder}/`).size > 0,
  };
}

export function isGlob(text: string): boolean {
  return /[*?[]/.test(text);
}

/** The folder above the first part with a wildcard: where a walk has to begin. */
export function globBase(pattern: string): string {
  const parts = pattern.split("/");
  const first = parts.findIndex(isGlob);
  const base = parts.slice(0, first < 0 ? parts.length - 1 : first).join("/");
  return base === "" && pattern.startsWith("/") ? "/" : base;
}

type Takes = (character: string) => boolean;

/** One character, any number of them, or a jump over the next two steps. */
type Step = { readonly one: Takes } | { readonly many: Takes } | "may-jump";

const isAny: Takes = () => true;
const isInPart: Takes = (character) => character !== "/";

function readSteps(pattern: string): Step[] {
  const tokens = pattern.match(/\*\*\/?|\[!?[^\]/]+\]|./gsu) ?? [];
  return tokens.flatMap((token): Step[] => {
    // no folder at all, or any number of them
    if (token === "**/") return ["may-jump", { many: isAny }, { one: (character) => character === "/" }];
    if (token === "**") return [{ many: isAny }];
    if (token === "*") return [{ many: isInPart }];
    if (token === "?") return [{ one: isInPart }];
    return [{ one: token.length > 2 && token.startsWith("[") ? readSet(token) : (character) => character === token }];
  });
}

/** A set never holds the "/" between parts. One that makes no sense, such as [z-a], holds nothing. */
function readSet(token: string): Takes {
  const isNegated = /^\[[!^]./u.test(token) && token.length > 3;
  const members = [...token.slice(isNegated ? 2 : 1, -1)];
  const ranges: [number, number][] = [];
  for (let i = 0; i < members.length; i += 1) {
    const from = members[i] ?? "";
    const isRange = members[i + 1] === "-" && i + 2 < members.length;
    if (isRange) i += 2;
    ranges.push([codeOf(from), codeOf(members[i] ?? from)]);
  }
  if (ranges.some(([from, to]) => from > to)) return () => false;
  return (character) => {
    const code = codeOf(character);
    return character !== "/" && ranges.some(([from, to]) => from <= code && code <= to) !== isNegated;
  };
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}

/** The places where a path that was at these ones can be without another character. */
function reachable(steps: readonly Step[], places: Iterable<number>): Set<number> {
  const all = new Set(places);
  // a set hands out what is added while it is walked through
  for (const place of all) {
    const step = steps[place];
    if (step === "may-jump") all.add(place + 1).add(place + 3);
    else if (step !== undefined && "many" in step) all.add(place + 1);
  }
  return all;
}

function next(steps: readonly Step[], places: ReadonlySet<number>, character: string): number[] {
  const after: number[] = [];
  for (const place of places) {
    const step = steps[place];
    if (step === undefined || step === "may-jump") continue;
    if ("many" in step) {
      if (step.many(character)) after.push(place);
    } else if (step.one(character)) after.push(place + 1);
  }
  return after;
}
