import { type Profile, resolveForms } from "@assay/core";
import type { EngineClient } from "./engine-client.ts";
import { tokenizeText } from "./probe-template.ts";

export type FoundWords =
  | { readonly ok: true; readonly profile: Profile; readonly words: string; readonly told: boolean }
  | { readonly ok: false; readonly found: string; readonly expected: string; readonly next?: string };

/**
 * The verdict's words as this server's tokenizer has them: each must be the one token that the profile says, or, where
 * it says none, one token. A server that does not tell (`told` false) leaves the profile as it is: ids that it states
 * are believed, since an answer shows whether they are right, and words without one can only be read by their text.
 */
export async function probeWords(client: EngineClient, model: string, profile: Profile): Promise<FoundWords> {
  const found = new Map<string, number>();
  for (const form of profile.verdict.forms) {
    for (const [word, id] of [
      [form.yes, form.yes_id],
      [form.no, form.no_id],
    ] as const) {
      const ids = await tokenizeText(client, model, word);
      if (ids === null) {
        const words = "not checked: the server does not tell how it cuts a text (POST /tokenize)";
        return { ok: true, profile, words, told: false };
      }
      if (ids.length === 1 && ids[0] !== undefined) found.set(word, ids[0]);
      if (id !== null && !(ids.length === 1 && ids[0] === id)) {
        return {
          ok: false,
          found: `"${word}" is ${ids.join(" ")}`,
          expected: `"${word}" is the one token ${id}`,
          next: "choose the profile of this model, or make one: --profile FILE",
        };
      }
    }
  }
  const resolved = resolveForms(profile, found);
  if (resolved.verdict.forms.length === 0) {
    return {
      ok: false,
      found: "none of the profile's pairs is a pair of single tokens",
      expected: "at least one pair of single tokens",
    };
  }
  const words = resolved.verdict.forms.map(({ yes, no, yes_id, no_id }) => `"${yes}" ${yes_id}/"${no}" ${no_id}`);
  return { ok: true, profile: resolved, words: words.join(", "), told: true };
}
