import type { PositionLogprobs } from "./completion.ts";
import type { Profile, VerdictForm } from "./profile.ts";
import type { ReadWay } from "./read-way.ts";
import type { Status } from "./status.ts";

export interface VerdictRead {
  readonly status: Extract<Status, "ok" | "no_verdict" | "verdict_not_in_topk" | "engine_error">;
  readonly why: string | null;
  readonly logprobYes: number | null;
  readonly logprobNo: number | null;
  /** probability mass of the pair read, 0 to 1 */
  readonly mass: number | null;
  /** one of the two was outside the top list: its value is a bound, not a reading */
  readonly floored: boolean;
  /** the form read, such as " Yes"; null when all forms were summed */
  readonly form: string | null;
}

/** vLLM prints -9999.0 for minus infinity: what a server says whose log-probabilities went through a sampling filter. */
const vllmMinusInfinity = -9_990;
/** Two words share what there is; a little more is rounding. */
const mostTogether = 1.1;

/**
 * Both log-probabilities of the verdict from what was told at its position. Pair `sampled`: the form that was sampled
 * (`form`; the profile's first where none was). Pair `logsumexp`: Yes and No each over all forms. The mass of the pair
 * guards the reading: a prompt cut one token off gives a plausible difference and a mass near zero. Log-probabilities
 * are kept where a reward is not, so that a policy can be applied later without a GPU. Pure.
 */
export function readVerdict(
  at: PositionLogprobs,
  form: VerdictForm | null,
  profile: Profile,
  by: ReadWay,
): VerdictRead {
  const forms =
    profile.verdict.pair === "logsumexp"
      ? profile.verdict.forms
      : [form ?? profile.verdict.forms[0]].filter((one) => one !== undefined);
  const readForm = profile.verdict.pair === "logsumexp" ? null : (forms[0]?.yes ?? null);
  const known = new Map<number | string, number>();
  // by text two tokens may look alike: the first is the sampled one, then comes the likeliest
  for (const { id, text, logprob } of [at.sampled, ...at.told]) {
    if (!known.has(id ?? text)) known.set(id ?? text, logprob);
  }

  if ([at.sampled, ...at.told].some((token) => isAnothers(token, profile)))
    return nothing("engine_error", "the engine tells the ids in another order than they were asked for in", readForm);

  const yes = sum(forms, known, "yes");
  const no = sum(forms, known, "no");
  if (yes === null && no === null) {
    const status = by === "top" ? "verdict_not_in_topk" : "engine_error";
    return nothing(
      status,
      by === "top" ? "neither word is in the top list" : "the engine did not tell the ids that were asked for",
      readForm,
    );
  }
  if (by !== "top" && (yes === null || no === null))
    return nothing("engine_error", "the engine told only one of the ids that were asked for", readForm);

  // the smallest value listed bounds what is not listed
  const bound = Math.min(...at.told.map(({ logprob }) => logprob));
  const logprobYes = yes ?? bound;
  const logprobNo = no ?? bound;
  const read = { logprobYes, logprobNo, mass: null, floored: yes === null || no === null, form: readForm };
  if (!Number.isFinite(logprobYes) || !Number.isFinite(logprobNo))
    return nothing("engine_error", "a log-probability is not a finite number", readForm);
  if (Math.min(logprobYes, logprobNo) <= vllmMinusInfinity) {
    return {
      ...read,
      status: "no_verdict",
      why: "the server's log-probabilities went through a sampling filter (-9999)",
    };
  }
  const together = Math.exp(logprobYes) + Math.exp(logprobNo);
  // a list of one sure token would bound the other word by that very token: a reward of 0 that nobody gave
  if (together > mostTogether)
    return nothing("engine_error", "Yes and No together hold more than all of the probability", readForm);
  // the sampled word may stand outside the likeliest: its own value would be the bound, and the reward 0. Not
  // verdict_not_in_topk, by which a policy takes both for missing
  if (read.floored && (yes ?? no ?? bound) <= bound)
    return nothing("no_verdict", "one word is not in the top list, the other not above its end", readForm);
  const mass = Math.min(1, together);
  const { min_mass } = profile.verdict;
  if (mass < min_mass) {
    return {
      ...read,
      mass,
      status: "no_verdict",
      why: `Yes and No together hold ${mass.toExponential(1)} of the probability, under ${min_mass}`,
    };
  }
  return { ...read, mass, status: "ok", why: null };
}

function nothing(status: VerdictRead["status"], why: string, form: string | null): VerdictRead {
  return { status, why, logprobYes: null, logprobNo: null, mass: null, floored: false, form };
}

/**
 * Exact ids come without the ids, in the order asked: one whose text is another word of the verdict stands in another's
 * place. Not by a space alone, which some tokenizers leave out of a single token's text.
 */
function isAnothers({ id, text }: PositionLogprobs["sampled"], { verdict }: Profile): boolean {
  const own = id === null ? undefined : wordOf(id, verdict.forms);
  const isWord = verdict.forms.some(({ yes, no }) => text === yes || text === no);
  return own !== undefined && isWord && text.trim() !== own.trim();
}

function wordOf(id: number, forms: readonly VerdictForm[]): string | undefined {
  for (const form of forms) {
    if (form.yes_id === id) return form.yes;
    if (form.no_id === id) return form.no;
  }
  return undefined;
}

/** One side over the forms: log of the summed probabilities, each token once; null when none of its tokens was told. */
function sum(
  forms: readonly VerdictForm[],
  known: ReadonlyMap<number | string, number>,
  side: "yes" | "no",
): number | null {
  const tokens = forms.map((form) => {
    const id = side === "yes" ? form.yes_id : form.no_id;
    return id !== null && known.has(id) ? id : form[side];
  });
  const values = [...new Set(tokens)].flatMap((token) => known.get(token) ?? []);
  const most = Math.max(...values);
  if (values.length === 0) return null;
  if (values.length === 1 || !Number.isFinite(most)) return most;
  return most + Math.log(values.reduce((total, value) => total + Math.exp(value - most), 0));
}
