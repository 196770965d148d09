/** Two judges on the same rows: how often only one of them was right, and how likely that is by chance. */
export interface McNemar {
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** two-sided p of the exact test, 1 when they never differ */
  readonly p: number;
}

/**
 * McNemar's test in its exact form: under the null hypothesis each of the n rows on which the two differ falls to either
 * with probability 1/2, so p = min(1, 2 P(X <= min)) with X binomial(n, 1/2). Logarithms of the terms, so that n may be
 * millions.
 */
export function mcNemar(onlyFirst: number, onlySecond: number): McNemar {
  const n = onlyFirst + onlySecond;
  const least = Math.min(onlyFirst, onlySecond);
  let logTerm = -n * Math.LN2;
  let tail = 0;
  for (let k = 0; k <= least; k += 1) {
    tail += Math.exp(logTerm);
    logTerm += Math.log(n - k) - Math.log(k + 1);
  }
  return { onlyFirst, onlySecond, p: Math.min(1, 2 * tail) };
}
