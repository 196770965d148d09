import { seededUint32, sha256 } from "@assay/core";
import { aucOf } from "./auc.ts";

/** One row that two models judged. */
export interface PairedRow {
  readonly label: boolean;
  readonly first: number;
  readonly second: number;
}

export interface AucDifference {
  /** AUC of the first minus AUC of the second over the same rows */
  readonly difference: number;
  /** 2.5th and 97.5th percentile over the resamples (Efron's percentile interval) */
  readonly interval: readonly [low: number, high: number];
  readonly resamples: number;
}

/**
 * Paired bootstrap of the difference of two AUCs: rows are drawn with replacement within each label, each with both of
 * its rewards, so that what makes a row hard for both cancels. The same rows in the same order and seed give the same
 * interval. null without two rows of each label. O(resamples x n) after one sort a model; 10^5 rows take seconds.
 */
export function bootstrapAucDifference(
  rows: readonly PairedRow[],
  options: { seed: number; resamples?: number },
): AucDifference | null {
  const yes = rows.filter(({ label }) => label);
  const no = rows.filter(({ label }) => !label);
  if (yes.length < 2 || no.length < 2) return null;
  const all = [...yes, ...no];
  const first = weightedAuc(
    all.map((row) => row.first),
    yes.length,
  );
  const second = weightedAuc(
    all.map((row) => row.second),
    yes.length,
  );
  const resamples = options.resamples ?? 2_000;
  const next = seededUint32(sha256(`bootstrap ${options.seed}`));
  const times = new Uint32Array(all.length);
  const differences = new Float64Array(resamples);
  for (let round = 0; round < resamples; round += 1) {
    times.fill(0);
    for (let i = 0; i < all.length; i += 1) {
      const drawn = i < yes.length ? next() % yes.length : yes.length + (next() % no.length);
      times[drawn] = (times[drawn] ?? 0) + 1;
    }
    differences[round] = first(times) - second(times);
  }
  differences.sort();
  const exact = (of: "first" | "second"): number =>
    aucOf(
      yes.map((row) => row[of]),
      no.map((row) => row[of]),
    )?.auc ?? 0;
  return {
    difference: exact("first") - exact("second"),
    interval: [percentile(differences, 0.025), percentile(differences, 0.975)],
    resamples,
  };
}

/** The AUC of a resample, told by how often each row is in it: one walk over rows sorted once. */
function weightedAuc(scores: readonly number[], yesCount: number): (times: Uint32Array) => number {
  const order = Uint32Array.from(scores, (_, i) => i).sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0));
  // 1 where a new score begins
  const begins = Uint8Array.from(order, (i, k) => (k === 0 || scores[i] !== scores[order[k - 1] ?? 0] ? 1 : 0));
  return (times) => {
    let wins = 0;
    let noBelow = 0;
    let yesHere = 0;
    let noHere = 0;
    for (let k = 0; k <= order.length; k += 1) {
      if (k === order.length || begins[k] === 1) {
        wins += yesHere * (noBelow + noHere / 2);
        noBelow += noHere;
        yesHere = 0;
        noHere = 0;
      }
      const i = order[k];
      if (i === undefined) break;
      if (i < yesCount) yesHere += times[i] ?? 0;
      else noHere += times[i] ?? 0;
    }
    return wins / (yesCount * (order.length - yesCount));
  };
}

/** Between the two nearest of the sorted values, in proportion. */
function percentile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? 0;
  const high = sorted[Math.ceil(at)] ?? low;
  return low + (high - low) * (at - Math.floor(at));
}
