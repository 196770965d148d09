/** Area under the ROC curve of scores for a label: P(score of a Yes > score of a No), a tie counting one half. */
export interface Auc {
  readonly auc: number;
  /** DeLong's 95 % confidence interval, cut to 0..1; null with fewer than two of either label */
  readonly interval: readonly [low: number, high: number] | null;
}

/** Two-sided 95 % of the normal distribution. */
const z95 = 1.959963984540054;

/**
 * The Mann-Whitney statistic by mid-ranks, with the variance of DeLong, DeLong and Clarke-Pearson (1988) computed as Sun
 * and Xu (2014) do; the interval is the normal one. It takes the rows for independent, and is empty (both ends alike)
 * where all Yes lie above all No. null without both labels. O(n log n).
 */
export function aucOf(yes: readonly number[], no: readonly number[]): Auc | null {
  if (yes.length === 0 || no.length === 0) return null;
  const ranks = midRanks([...yes, ...no]);
  const [ofYes, ofNo] = [midRanks(yes), midRanks(no)];
  // share of the other label that a row beats
  const yesWins = yes.map((_, i) => ((ranks[i] ?? 0) - (ofYes[i] ?? 0)) / no.length);
  const noWins = no.map((_, j) => 1 - ((ranks[yes.length + j] ?? 0) - (ofNo[j] ?? 0)) / yes.length);
  let rankSum = 0;
  for (let i = 0; i < yes.length; i += 1) rankSum += ranks[i] ?? 0;
  const auc = (rankSum - (yes.length * (yes.length + 1)) / 2) / (yes.length * no.length);
  if (yes.length < 2 || no.length < 2) return { auc, interval: null };
  const half = z95 * Math.sqrt(variance(yesWins, auc) / yes.length + variance(noWins, auc) / no.length);
  return { auc, interval: [Math.max(0, auc - half), Math.min(1, auc + half)] };
}

function variance(values: readonly number[], mean: number): number {
  // in order of size: the sum must not depend on the order of the rows
  const squares = values.map((value) => (value - mean) ** 2).sort((a, b) => a - b);
  return squares.reduce((sum, square) => sum + square, 0) / (values.length - 1);
}

/** Ranks from 1; equal values share the mean of theirs, so that every rank is a multiple of one half. */
function midRanks(values: readonly number[]): Float64Array {
  const order = Uint32Array.from(values, (_, i) => i).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  const ranks = new Float64Array(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to] ?? 0] === values[order[from] ?? 0]) to += 1;
    for (let k = from; k < to; k += 1) ranks[order[k] ?? 0] = (from + to + 1) / 2;
    from = to;
  }
  return ranks;
}
