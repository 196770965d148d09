import type { ResultSample } from "./result-row.ts";
import { logprobFloor, reward } from "./reward.ts";
import { type Status, statuses } from "./status.ts";

export const combineRules = ["mean-margin", "mean-p-yes", "majority"] as const;
export type CombineRule = (typeof combineRules)[number];
export const defaultCombine: CombineRule = "mean-margin";

/** The most samples of a row; NVIDIA's own voting takes 32. */
export const mostSamples = 64;

/** What the samples of a row come to together. */
export interface CombinedSamples {
  readonly status: Status;
  /** null unless status is ok; then reward = clip(logprobYes) - clip(logprobNo), as of a row that was asked once */
  readonly logprobYes: number | null;
  readonly logprobNo: number | null;
  readonly mass: number | null;
  /** the samples that decided, by their place: the ok ones of a row that is ok, else those that failed as the row did */
  readonly decided: readonly number[];
}

/**
 * The judgement of a row out of k answers to one request. Only samples that are ok count, and the row is ok when they
 * are more than half of the k: over fewer, most answers said that there is no verdict, and the rest are those that
 * happened to come to an end. Any other row has the status that most of its failed samples have, the first of the table
 * where two are level. The pair of log-probabilities, with y and n a sample's own, not under -50, and m = y - n its
 * reward:
 *
 * - `mean-margin`: the means of y and of n. The reward is the mean of the rewards.
 * - `mean-p-yes`: log of the mean of p and of 1 - p, where p = 1 / (1 + exp(-m)) is P(Yes) of the two words alone. The
 *   reward is the log-odds of the mean.
 * - `majority`: each sample votes for its likelier word; means of y and of n over the samples on the winning side, over
 *   all of them at a draw. A share of votes has no reward of its own: all of k alike would be infinite.
 *
 * `mass` is the mean of all that count. Pure; the order of the samples changes no bit. Throws on an ok sample without
 * numbers.
 */
export function combineSamples(samples: readonly ResultSample[], rule: CombineRule): CombinedSamples {
  const places = [...samples.keys()];
  const counting = places.filter((i) => samples[i]?.status === "ok");
  if (2 * counting.length <= samples.length) {
    const status = commonestFailure(samples);
    const decided = places.filter((i) => samples[i]?.status === status);
    return { status, logprobYes: null, logprobNo: null, mass: null, decided };
  }
  const pairs = samples.filter(({ status }) => status === "ok").map(pairOf);
  const [logprobYes, logprobNo] = combine(pairs, rule);
  return { status: "ok", logprobYes, logprobNo, mass: mean(pairs.map(({ mass }) => mass)), decided: counting };
}

interface Pair {
  readonly yes: number;
  readonly no: number;
  readonly margin: number;
  readonly mass: number;
}

function pairOf({ logprob_yes, logprob_no, yes_no_mass }: ResultSample): Pair {
  const [yes, no] = [logprob_yes ?? Number.NaN, logprob_no ?? Number.NaN];
  return {
    yes: Math.max(yes, logprobFloor),
    no: Math.max(no, logprobFloor),
    margin: reward(yes, no),
    mass: yes_no_mass ?? 0,
  };
}

function combine(pairs: readonly Pair[], rule: CombineRule): [number, number] {
  if (rule === "mean-p-yes") {
    // 1 - p is worked out by itself: beside a p of nearly 1 nothing would be left of it
    return [
      Math.log(mean(pairs.map(({ margin }) => 1 / (1 + Math.exp(-margin))))),
      Math.log(mean(pairs.map(({ margin }) => 1 / (1 + Math.exp(margin))))),
    ];
  }
  const voters = rule === "majority" ? winners(pairs) : pairs;
  return [mean(voters.map(({ yes }) => yes)), mean(voters.map(({ no }) => no))];
}

function winners(pairs: readonly Pair[]): readonly Pair[] {
  const yes = pairs.filter(({ margin }) => margin > 0);
  const no = pairs.filter(({ margin }) => margin < 0);
  if (yes.length === no.length) return pairs;
  return yes.length > no.length ? yes : no;
}

/** Summed in the order of size: a sum in floating point depends on its order. */
function mean(values: readonly number[]): number {
  const sum = [...values].sort((a, b) => a - b).reduce((total, value) => total + value, 0);
  return sum / values.length;
}

function commonestFailure(samples: readonly ResultSample[]): Status {
  let most: { status: Status; times: number } = { status: "engine_error", times: 0 };
  for (const status of statuses) {
    if (status === "ok") continue;
    const times = samples.filter((sample) => sample.status === status).length;
    if (times > most.times) most = { status, times };
  }
  return most.status;
}

/** The seed of a sample: the batch's seed plus the sample's number from 0; null without one, which sends none. */
export function sampleSeed(seed: number | null, sample: number): number | null {
  return seed === null ? null : seed + sample;
}
