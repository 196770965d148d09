import { type CombineRule, combineSamples } from "./combine-samples.ts";
import type { RowOutcome } from "./make-result-row.ts";
import type { ResultSample } from "./result-row.ts";
import { reward } from "./reward.ts";

/** One answer of several to a row's request. */
export interface SampleOutcome extends RowOutcome {
  readonly seed: number | null;
}

/**
 * The outcome of a row that was asked k times, and its `samples`, in the order given. Tokens and time are summed over
 * the k requests; `attempts` is one more than how often any of them was asked again; `queue_ms` is the first one's.
 * Answer, form, way of reading and `finish_reason` are what all samples that decided have in common, else null. Text,
 * engine and error are those of the first that decided. Pure. Throws on an ok sample without log-probabilities, and on
 * no samples at all.
 */
export function combineOutcomes(
  outcomes: readonly SampleOutcome[],
  rule: CombineRule,
): { readonly outcome: RowOutcome; readonly samples: ResultSample[] } {
  const samples = outcomes.map(sampleOf);
  const { decided, ...combined } = combineSamples(samples, rule);
  const deciding = outcomes.filter((_, i) => decided.includes(i));
  const [first] = deciding;
  if (first === undefined) throw new TypeError("combineOutcomes: no samples");
  const { seed: _seed, ...own } = first;
  const outcome: RowOutcome = {
    ...own,
    ...combined,
    errorMessage:
      combined.status === "ok"
        ? null
        : `${deciding.length} of ${outcomes.length} samples: ${own.errorMessage ?? combined.status}`,
    floored: common(deciding.map(({ floored }) => floored)),
    answer: common(deciding.map(({ answer }) => answer)),
    answerForm: common(deciding.map(({ answerForm }) => answerForm)),
    finishReason: common(deciding.map(({ finishReason }) => finishReason)),
    read: common(deciding.map(({ read }) => read)),
    promptTokens: sum(outcomes.map(({ promptTokens }) => promptTokens)),
    cachedTokens: sum(outcomes.map(({ cachedTokens }) => cachedTokens)),
    completionTokens: sum(outcomes.map(({ completionTokens }) => completionTokens)),
    queueMs: outcomes[0]?.queueMs ?? null,
    latencyMs: sum(outcomes.map(({ latencyMs }) => latencyMs)),
    attempts: outcomes.reduce((total, { attempts }) => total + attempts - 1, 1),
  };
  return { outcome, samples };
}

function sampleOf(outcome: SampleOutcome): ResultSample {
  const { status, logprobYes, logprobNo } = outcome;
  return {
    status,
    reward: status === "ok" ? reward(logprobYes ?? Number.NaN, logprobNo ?? Number.NaN) : null,
    logprob_yes: logprobYes,
    logprob_no: logprobNo,
    yes_no_mass: outcome.mass,
    // an engine's words may end in half a character, and a shard takes none
    answer: outcome.answer?.toWellFormed() ?? null,
    finish_reason: outcome.finishReason?.toWellFormed() ?? null,
    completion_tokens: outcome.completionTokens,
    seed: outcome.seed,
  };
}

function common<T>(values: readonly T[]): T | null {
  const [first] = values;
  return first !== undefined && values.every((value) => value === first) ? first : null;
}

/** null where none of them is known. */
function sum(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
}
