import type { BatchFile } from "./batch-file.ts";
import type { Profile } from "./profile.ts";
import type { ResultRow } from "./result-row.ts";
import { logprobFloor, reward } from "./reward.ts";

/**
 * What NVIDIA's own three programs would have made of an answer of Qwen3-Nemotron-32B-GenRM-Principle. They differ by
 * up to 50 points where a word or the verdict is missing. Only what is known is applied: a value that was not stored is
 * a condition of the outcome or the reason why there is none, never a guess. Pure.
 */

export interface SeenAnswer {
  /** the model answered, whether or not the answer holds a verdict */
  readonly answered: boolean;
  /** the generated text, or its end; null where nothing of it was kept */
  readonly text: string | null;
  /** false: `text` is the end alone */
  readonly isWhole: boolean;
  /** of " Yes" and " No", ids 7414 and 2308, where the verdict stands; null = not known */
  readonly logprobYes: number | null;
  readonly logprobNo: number | null;
  /** neither or only one of the two was in the list that the server told; the lesser value is then a bound */
  readonly missing: "none" | "lesser" | "both";
  /** the verdict is the last token but one, the only place where these programs look; null = not known */
  readonly isSecondLast: boolean | null;
}

export interface PolicyOutcome {
  readonly reward: number;
  /** what has to hold for it beyond what is known */
  readonly when: readonly string[];
}

export interface PolicyGiven {
  readonly policy: string;
  readonly source: string;
  /** one where it is certain, several where it hangs on what is not known */
  readonly outcomes: readonly PolicyOutcome[];
  /** why nothing can be said: at all, or where no outcome's conditions hold */
  readonly unknown: string | null;
}

/** Ids of " Yes" and " No" in the Qwen3 tokenizer: the only ones that the three programs read. */
export const cardIds = { yes: 7414, no: 2308 } as const;

/** The three programs read one model family; of another profile they say nothing. */
export function hasCardPolicies(profile: Profile): boolean {
  const { position, forms } = profile.verdict;
  return (
    position === "last-after-anchor" && forms.some((form) => form.yes_id === cardIds.yes && form.no_id === cardIds.no)
  );
}

/** What makeResultRow keeps of a failed row's text: a kept text as long as this may be the end of a longer one. */
const keptChars = 2_000;
const cardForm = " Yes";

/** What a stored row tells of its answer. */
export function seenAnswer(row: ResultRow, keep: BatchFile["keep_reasoning"]): SeenAnswer {
  const text = row.reasoning;
  const isCardForm = row.answer_form === cardForm;
  return {
    answered: row.completion_tokens !== null,
    text,
    isWhole: text !== null && (keep === "all" || text.length < keptChars),
    logprobYes: isCardForm ? row.logprob_yes : null,
    logprobNo: isCardForm ? row.logprob_no : null,
    missing: row.status === "verdict_not_in_topk" ? "both" : row.floored === true ? "lesser" : "none",
    // behind the text stands the end token alone, which a server leaves out of it
    isSecondLast: text === null || row.answer === null ? null : text.endsWith(row.answer),
  };
}

const anchor = "Final Judgement:";
const atItsPlace = "the verdict is the last token but one";
const hasAnchor = `the answer says exactly "${anchor}"`;
const noAnchor = `the answer nowhere says exactly "${anchor}"`;
const noAnswer = "no answer was read, so there is nothing to apply it to";
const otherValues = "it reads ids 7414 and 2308 at the last token but one";

export function cardPolicies(seen: SeenAnswer): PolicyGiven[] {
  return [
    { ...modelCard(seen), policy: "model card", source: "nvidia/Qwen3-Nemotron-32B-GenRM-Principle, Quick Start" },
    {
      ...rlhfEnvironment(seen),
      policy: "RLHF environment",
      source: "NVIDIA-NeMo/RL, nemo_rl/environments/principle_genrm_for_rlhf_environment.py",
    },
    {
      ...trainingEnvironment(seen),
      policy: "training environment",
      source: "NVIDIA-NeMo/RL, nemo_rl/environments/principle_genrm_environment.py",
    },
  ];
}

type Given = Pick<PolicyGiven, "outcomes" | "unknown">;

function unknown(why: string): Given {
  return { outcomes: [], unknown: why };
}

function known(...outcomes: PolicyOutcome[]): Given {
  return { outcomes, unknown: null };
}

/** Each of the two clipped at -50, a missing one is -50; it looks for no text. */
function modelCard(seen: SeenAnswer): Given {
  if (!seen.answered) return unknown(noAnswer);
  const values = valuesOf(seen);
  if (values === null) return unknown(otherValues);
  return known({ reward: reward(values.yes ?? logprobFloor, values.no ?? logprobFloor), when: values.when });
}

/** 0 without the anchor, 0 when either word is not among the 20 likeliest, else the plain difference. */
function rlhfEnvironment(seen: SeenAnswer): Given {
  if (!seen.answered) return unknown(noAnswer);
  const says = saysAnchor(seen);
  if (says === false) return known({ reward: 0, when: [] });
  const values = valuesOf(seen);
  const without: PolicyOutcome[] = says === null ? [{ reward: 0, when: [noAnchor] }] : [];
  if (values === null) return { outcomes: without, unknown: otherValues };
  if (values.yes === null || values.no === null) return known({ reward: 0, when: values.when });
  const when = [...(says === null ? [hasAnchor] : []), ...values.when];
  const difference = values.yes - values.no;
  if (areAmongLikeliest(20, values.yes, values.no)) return known({ reward: difference, when }, ...without);
  return known(
    { reward: difference, when: [...when, "both words are among the 20 likeliest tokens"] },
    { reward: 0, when: ["one of the words is not among the 20 likeliest tokens"] },
    ...without,
  );
}

/**
 * Right minus wrong answer; -50 when the right one is missing, or both. It knows the right answer, Assay does not. Its
 * values come from an extra forward pass in another file, which was not read; it is taken to give none for an answer
 * without the anchor.
 */
function trainingEnvironment(seen: SeenAnswer): Given {
  if (!seen.answered) return unknown(noAnswer);
  const says = saysAnchor(seen);
  const values = valuesOf(seen);
  if (says === false) return known({ reward: logprobFloor, when: [] });
  const without: PolicyOutcome[] = says === null ? [{ reward: logprobFloor, when: [noAnchor] }] : [];
  if (values === null) return { outcomes: without, unknown: otherValues };
  const { yes, no } = values;
  if (yes === null && no === null) return known({ reward: logprobFloor, when: values.when });
  const when = [...(says === null ? [hasAnchor] : []), ...values.when];
  const right = (own: number | null, other: number | null): number =>
    own === null ? logprobFloor : own - (other ?? logprobFloor);
  return known(
    { reward: right(yes, no), when: ["the right answer is Yes", ...when] },
    { reward: right(no, yes), when: ["the right answer is No", ...when] },
    ...without,
  );
}

/** The two values at the last token but one, null for a missing one; null in place of all where they are not known. */
function valuesOf(seen: SeenAnswer): { yes: number | null; no: number | null; when: string[] } | null {
  if (seen.isSecondLast === false) return null;
  const when = seen.isSecondLast === null ? [atItsPlace] : [];
  if (seen.missing === "both") return { yes: null, no: null, when };
  const { logprobYes: yes, logprobNo: no } = seen;
  if (yes === null || no === null) return null;
  if (seen.missing === "none") return { yes, no, when };
  return yes > no ? { yes, no: null, when } : { yes: null, no, when };
}

function saysAnchor({ text, isWhole }: SeenAnswer): boolean | null {
  if (text?.includes(anchor) === true) return true;
  return text !== null && isWhole ? false : null;
}

/** Log-probabilities come as 32-bit numbers: what is left beside the two is known no better than this. */
const massSlack = 1e-6;

/**
 * Whether both words are certainly among the `k` likeliest tokens: what Yes and No leave of the probability is not
 * enough for so many others that are as likely as the lesser of the two. False also where it may be so.
 */
export function areAmongLikeliest(k: number, logprobYes: number, logprobNo: number): boolean {
  const left = Math.max(0, 1 - Math.exp(logprobYes) - Math.exp(logprobNo)) + massSlack;
  return 2 + Math.floor(left / Math.exp(Math.min(logprobYes, logprobNo))) <= k;
}
