/** A Prometheus histogram: counts of values up to each bound, their sum and number. */
export interface Histogram {
  observe(value: number): void;
  /** Its lines, `labels` without braces. */
  render(name: string, labels: readonly string[]): string[];
}

export function createHistogram(bounds: readonly number[]): Histogram {
  const counts = bounds.map(() => 0);
  let sum = 0;
  let total = 0;
  return {
    observe(value) {
      sum += value;
      total += 1;
      bounds.forEach((bound, i) => {
        if (value <= bound) counts[i] = (counts[i] ?? 0) + 1;
      });
    },
    render(name, labels) {
      const line = (suffix: string, value: number, ...more: string[]): string =>
        `${name}_${suffix}{${[...labels, ...more].toSorted().join(",")}} ${pythonNumber(value)}`;
      return [
        `# TYPE ${name} histogram`,
        ...bounds.map((bound, i) => line("bucket", counts[i] ?? 0, `le="${pythonNumber(bound)}"`)),
        line("bucket", total, 'le="+Inf"'),
        line("count", total),
        line("sum", sum),
      ];
    },
  };
}

/** 1, 2, 5, 10, 20, … up to `most`: vLLM's bounds for token counts. */
export function oneTwoFive(most: number): number[] {
  const bounds: number[] = [];
  for (let power = 1; power <= most; power *= 10) bounds.push(...[1, 2, 5].map((step) => step * power));
  return bounds.filter((bound) => bound <= most);
}

/** The Python client prints every value as a float. */
export function pythonNumber(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e16 ? value.toFixed(1) : String(value);
}
