import { z } from "zod";
import { badAsValue } from "./bad-record.ts";
import { AssayError } from "./error.ts";
import { type Profile, profileSchema } from "./profile.ts";
import { assertText } from "./storable-json.ts";

/**
 * Short names of `--set key=value`. Only what changes how a row is asked or read; a longer change is a profile file
 * of one's own.
 */
const settable = {
  temperature: ["sampling", "temperature"],
  top_p: ["sampling", "top_p"],
  top_k: ["sampling", "top_k"],
  min_p: ["sampling", "min_p"],
  repetition_penalty: ["sampling", "repetition_penalty"],
  max_tokens: ["max_tokens"],
  min_mass: ["verdict", "min_mass"],
  read: ["verdict", "read"],
  combine: ["combine"],
} as const satisfies Record<string, readonly string[]>;

/** A profile with single settings changed. Throws E_PROFILE naming the key, what is allowed and the nearest name. */
export function setProfile(profile: Profile, sets: ReadonlyMap<string, string>): Profile {
  const changed = structuredClone(profile) as unknown as { [key: string]: unknown };
  for (const [key, text] of sets) {
    if (!Object.hasOwn(settable, key)) {
      throw new AssayError("E_PROFILE", "no such setting", {
        where: `--set ${key}`,
        expected: Object.keys(settable).join(", "),
        got: key,
        next: `did you mean --set ${nearest(key)}=…?`,
      });
    }
    const path = settable[key as keyof typeof settable];
    const holder = path.length === 1 ? changed : (changed[path[0]] as { [key: string]: unknown });
    holder[path.at(-1) ?? key] = parseValue(text);
    // who names a way means that one
    if (key === "read") holder.insist = true;
  }
  return checkProfile(changed, [...sets].map(([key, text]) => `--set ${key}=${text}`).join(" "));
}

/** A user's profile file or a changed profile, validated. Throws E_PROFILE with every fault found. */
export function checkProfile(raw: unknown, where: string): Profile {
  const parsed = profileSchema.safeParse(raw);
  if (!parsed.success) {
    throw new AssayError("E_PROFILE", "not a valid profile", {
      where,
      got: z.prettifyError(parsed.error).replace(/\s*\n\s*/g, " "),
    });
  }
  refuseHalves(parsed.data, where);
  refuseBothSides(parsed.data, where);
  const { verdict, max_tokens } = parsed.data;
  if (verdict.position === "last-after-anchor" && verdict.anchor === null) {
    throw new AssayError("E_PROFILE", "a verdict behind an anchor needs the anchor", {
      where,
      expected: "verdict.anchor: a regular expression",
    });
  }
  if (verdict.anchor !== null) compileAnchor(verdict.anchor, where);
  refusePlainGaps(parsed.data, where);
  if (verdict.position === "first" && (max_tokens !== 1 || verdict.read === "two-step")) {
    throw new AssayError("E_PROFILE", "a verdict in the first token is read in one request of one token", {
      where,
      expected: "max_tokens 1 and verdict.read ids or top",
      got: `max_tokens ${max_tokens} and verdict.read ${verdict.read}`,
    });
  }
  const { temperature, top_p, top_k, min_p } = parsed.data.sampling;
  if (verdict.position === "first" && !(temperature === 0 && top_p === 1 && top_k === -1 && min_p === 0)) {
    throw new AssayError("E_PROFILE", "a verdict in the first token is read without sampling", {
      where,
      expected: "temperature 0, top_p 1, top_k -1, min_p 0",
      got: `temperature ${temperature}, top_p ${top_p}, top_k ${top_k}, min_p ${min_p}`,
    });
  }
  return parsed.data;
}

/** Half a character cannot be hashed, and no engine takes it. */
function refuseHalves(profile: Profile, where: string): void {
  const half = badAsValue(() => {
    assertText(profile, "profile");
    return null;
  });
  if (half === null) return;
  throw new AssayError("E_PROFILE", "a text of the profile holds half a character", {
    where,
    expected: "well-formed text",
    got: `a lone surrogate in ${half.field}`,
  });
}

/** A token that means Yes and No would give every row a reward of 0. */
function refuseBothSides({ verdict }: Profile, where: string): void {
  const ofNo = new Set<string | number | null>(verdict.forms.flatMap(({ no, no_id }) => [no, no_id]));
  ofNo.delete(null);
  const both = verdict.forms.find(({ yes, yes_id }) => ofNo.has(yes) || ofNo.has(yes_id));
  if (both === undefined) return;
  throw new AssayError("E_PROFILE", "a word of the verdict means Yes and No", {
    where,
    expected: "no word of one side on the other",
    got: `"${both.yes}" ${both.yes_id ?? ""}`.trim(),
  });
}

/** A plain text that lacks a role would fail at the first row that has it. */
function refusePlainGaps({ plain, messages }: Profile, where: string): void {
  if (plain === undefined) return;
  const roles = [...messages.roles, messages.principle.as === "principle-role" ? "principle" : "user"];
  const missing = roles.filter((role) => !Object.hasOwn(plain.turns, role));
  if (missing.length === 0) return;
  throw new AssayError("E_PROFILE", "the plain text lacks roles of the profile", {
    where,
    expected: roles.join(", "),
    got: Object.keys(plain.turns).join(", "),
  });
}

function compileAnchor(anchor: string, where: string): void {
  try {
    new RegExp(anchor, "iu");
  } catch (cause) {
    throw new AssayError("E_PROFILE", "the anchor is not a regular expression", { where, got: anchor, cause });
  }
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The allowed name that shares the longest beginning, for "did you mean". */
function nearest(key: string): string {
  const typed = key.toLowerCase().replaceAll("-", "_");
  const shared = (name: string): number => {
    let n = 0;
    while (n < name.length && name[n] === typed[n]) n += 1;
    return n;
  };
  return Object.keys(settable).reduce((best, name) => (shared(name) > shared(best) ? name : best));
}
