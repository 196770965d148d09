/** How far the probability that a reward stands for can be believed. */
export interface Calibration {
  /** mean squared error of the probability (Brier 1950), from 0 to 1 */
  readonly brier: number;
  /** expected calibration error: sum over ten equal bins of share x |mean probability - share of Yes| (Naeini 2015) */
  readonly ece: number;
}

const bins = 10;

/**
 * Brier score and ECE of sigmoid(reward), which is p(Yes) / (p(Yes) + p(No)). Bin k holds probabilities from k/10 up to
 * below (k+1)/10, the last one 1 as well. null without rows.
 */
export function calibrationOf(
  rows: readonly { readonly reward: number; readonly label: boolean }[],
): Calibration | null {
  if (rows.length === 0) return null;
  const perBin = Array.from({ length: bins }, () => ({ probability: 0, yes: 0 }));
  let squares = 0;
  // in order of the rewards: sums must not depend on the order of the rows
  for (const { reward, label } of [...rows].sort((a, b) => a.reward - b.reward || Number(a.label) - Number(b.label))) {
    const p = sigmoid(reward);
    const bin = perBin[Math.min(bins - 1, Math.floor(p * bins))];
    if (bin === undefined) continue;
    bin.probability += p;
    bin.yes += Number(label);
    squares += (p - Number(label)) ** 2;
  }
  const errors = perBin.reduce((sum, { probability, yes }) => sum + Math.abs(probability - yes), 0);
  return { brier: squares / rows.length, ece: errors / rows.length };
}

/** 1 / (1 + e^-x) without overflow. */
export function sigmoid(x: number): number {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}
