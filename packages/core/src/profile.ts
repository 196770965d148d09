import { z } from "zod";
import { canonicalJson } from "./canonical-json.ts";
import { combineRules, defaultCombine } from "./combine-samples.ts";
import { readWays } from "./read-way.ts";
import { sha256 } from "./sha256.ts";

/**
 * A profile says how one kind of reward model is asked and read. It is data: validated, hashed, and stored whole in
 * batch.json, so that a batch is finished under the profile it was planned with.
 */

/** One written form of the verdict: the token's text and its ids for Yes and No. */
const verdictFormSchema = z.strictObject({
  /** the form of Yes, such as " Yes": the value of `answer_form` */
  yes: z.string(),
  no: z.string(),
  /** null: any tokenizer; the probe asks the engine which ids these words have there (see resolveForms) */
  yes_id: z.int().nonnegative().nullable(),
  no_id: z.int().nonnegative().nullable(),
});
export type VerdictForm = z.infer<typeof verdictFormSchema>;

export const profileSchema = z.strictObject({
  /** kebab-case; shown everywhere, not hashed */
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/),
  description: z.string(),
  /** Served names this profile is meant for; `--profile` may be left out for these. Not hashed. */
  models: z.array(z.string()),

  messages: z.strictObject({
    /** roles of the conversation that the template knows; a record with another role is bad input */
    roles: z.array(z.string()).min(1),
    /**
     * How the principle is put: as a last message of role "principle", or as a last user turn made from a text in
     * which {principle} stands for it.
     */
    principle: z.discriminatedUnion("as", [
      z.strictObject({ as: z.literal("principle-role") }),
      z.strictObject({ as: z.literal("user-turn"), text: z.string().includes("{principle}") }),
    ]),
    /** sent as chat_template_kwargs; templates ignore what they do not know */
    template_kwargs: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  }),

  sampling: z.strictObject({
    temperature: z.number().min(0).max(2),
    top_p: z.number().gt(0).max(1),
    /** -1 = off, as vLLM spells it */
    top_k: z.int().min(-1),
    min_p: z.number().min(0).max(1),
    repetition_penalty: z.number().gt(0),
  }),
  /** longest answer in tokens, reasoning included */
  max_tokens: z.int().positive(),

  verdict: z.strictObject({
    /**
     * first: position 0 is read whatever was sampled there. last-after-anchor: the last verdict id among the last
     * five generated ids, behind the anchor text.
     */
    position: z.enum(["first", "last-after-anchor"]),
    /** case-insensitive regular expression for the anchor; only for last-after-anchor */
    anchor: z.string().nullable(),
    forms: z.array(verdictFormSchema).min(1),
    /** sampled: the pair of the form that was sampled. logsumexp: Yes and No each summed over all forms. */
    pair: z.enum(["sampled", "logsumexp"]),
    /** probability mass of the pair read below which the row is no_verdict */
    min_mass: z.number().min(0).max(1),
    /** way of reading: where it is not insisted on, the probe may have to choose another */
    read: z.enum(readWays),
    /** `read` and no other: an engine that cannot do it is refused, and nothing is handed over */
    insist: z.literal(true).optional(),
  }),

  /** how several samples of a row become one reward; mean-margin where it is left out. Says nothing of one sample. */
  combine: z.enum(combineRules).optional(),

  /** Strings that the template turns into special tokens and that a row's text must never become (P11). */
  specials: z.strictObject({
    /** turn openers and closers, counted per turn in prompt_token_ids by the probe */
    openers: z.array(z.string()),
    closers: z.array(z.string()),
    /** the rest: BOS, EOS, think tags */
    others: z.array(z.string()),
  }),
  /** the model's own thinking: a verdict counts only behind its end */
  thinking: z
    .strictObject({ open: z.string(), close: z.string(), open_id: z.int().nullable(), close_id: z.int().nullable() })
    .nullable(),

  /**
   * The template as plain text, for servers that refuse the profile's roles: what stands before and behind a turn of
   * each role, what begins the whole (a BOS, where the tokenizer is told to add none), and what opens the answer. Not
   * hashed: the messages are the same, and pin.json holds how they were rendered and a fingerprint of it.
   */
  plain: z
    .strictObject({
      start: z.string(),
      turns: z.record(
        z.string(),
        z.strictObject({
          before: z.string(),
          behind: z.string(),
          /** as Qwen's templates do with an assistant's turn */
          drop_leading_newlines: z.boolean(),
        }),
      ),
      answer: z.string(),
    })
    .optional(),

  /** Two rows whose rewards must come out with opposite signs at temperature 0; not hashed. */
  golden: z
    .strictObject({
      prompt: z.string(),
      better: z.string(),
      worse: z.string(),
      principle: z.string(),
    })
    .nullable(),
  /** For `plan`: rows an hour of one 8-GPU node, and where the figure comes from; not hashed. */
  rate: z
    .strictObject({ rows_per_node_hour: z.number().positive(), tokens_per_row: z.number(), source: z.string() })
    .nullable(),
});

export type Profile = z.infer<typeof profileSchema>;

/**
 * Identity of what reaches a request or the reading (FORMATS): no name, description, models, rate, golden pair or plain
 * text. A default that is spelt out is the default: `combine` counts only where it is another rule.
 */
export function profileSha256(profile: Profile): string {
  const {
    name: _name,
    description: _description,
    models: _models,
    golden: _golden,
    rate: _rate,
    plain: _plain,
    combine = defaultCombine,
    ...hashed
  } = profile;
  return sha256(canonicalJson(combine === defaultCombine ? hashed : { ...hashed, combine }));
}

/** Identity of the message layout alone: part of every row_key. */
export function layoutSha256(profile: Profile): string {
  return sha256(canonicalJson({ messages: profile.messages }));
}

/**
 * The rule by which an answer becomes a reward, for reuse: the same answer under another one is another reward, or none.
 * Not the way of reading, which a pin knows. No part of a row_key: what was asked is the same.
 */
export function verdictRule({ verdict, thinking }: Profile) {
  const { read: _read, insist: _insist, ...rule } = verdict;
  return { ...rule, thinking };
}

/** Whether every word of the verdict has an id: without, only lists of the likeliest tokens can be read, by text. */
export function hasVerdictIds(profile: Profile): boolean {
  return profile.verdict.forms.every(({ yes_id, no_id }) => yes_id !== null && no_id !== null);
}

/**
 * All verdict ids, each once, in the order in which they are asked for: form by form, Yes before No. Forms must be
 * resolved.
 */
export function verdictIds(profile: Profile): number[] {
  const ids = profile.verdict.forms.flatMap(({ yes, no, yes_id, no_id }) => {
    if (yes_id === null || no_id === null)
      throw new TypeError(`verdictIds: the ids of "${yes}" and "${no}" are not resolved`);
    return [yes_id, no_id];
  });
  // a server tells an id once, however often it is asked for
  return [...new Set(ids)];
}

/**
 * A profile for any tokenizer made concrete for one: `ids` says which words are single tokens there. A form of which
 * either word is no single token drops out, and so does one that is the same two tokens as a form before it: some
 * tokenizers put a space in front of every text, so that "Yes" and " Yes" are one. Forms with ids of their own stay as
 * they are. Not stored, not hashed.
 */
export function resolveForms(profile: Profile, ids: ReadonlyMap<string, number>): Profile {
  const seen = new Set<string>();
  const forms = profile.verdict.forms.flatMap((form): VerdictForm[] => {
    const yes_id = form.yes_id ?? ids.get(form.yes) ?? null;
    const no_id = form.no_id ?? ids.get(form.no) ?? null;
    if (yes_id === null || no_id === null) return [];
    const isFound = form.yes_id === null || form.no_id === null;
    const pair = `${yes_id} ${no_id}`;
    if (isFound && seen.has(pair)) return [];
    seen.add(pair);
    return [{ ...form, yes_id, no_id }];
  });
  return { ...profile, verdict: { ...profile.verdict, forms } };
}
