/** Rewards in a terminal: one small histogram per principle, ten bins over what was seen, a mark at 0. */

const bars = ["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"] as const;

export interface Histogram {
  readonly principle: string;
  readonly count: number;
  readonly yes: number;
  readonly bins: readonly { readonly from: number; readonly to: number; readonly count: number }[];
}

/** Bins of equal width between the smallest and the greatest reward of all principles, so that rows compare. */
export function histograms(rewards: ReadonlyMap<string, readonly number[]>, binCount = 8): Histogram[] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const values of rewards.values()) {
    for (const value of values) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  const reach = Math.max(1, Math.ceil(Math.max(Math.abs(low), Math.abs(high))));
  const width = (2 * reach) / binCount;
  return [...rewards].map(([principle, values]) => {
    const counts = new Array<number>(binCount).fill(0);
    for (const value of values) {
      const bin = Math.min(binCount - 1, Math.floor((value + reach) / width));
      counts[bin] = (counts[bin] ?? 0) + 1;
    }
    return {
      principle,
      count: values.length,
      yes: values.filter((value) => value > 0).length,
      bins: counts.map((count, i) => ({ from: -reach + i * width, to: -reach + (i + 1) * width, count })),
    };
  });
}

/** Lines of plain text, at most `width` wide. */
export function renderHistograms(all: readonly Histogram[], width = 72): string[] {
  const lines: string[] = [];
  for (const { principle, count, yes, bins } of all) {
    const name = printable(principle, 48);
    lines.push(`${name}  ${count.toLocaleString("en-US")} rewards, ${percent(yes, count)} above 0`);
    const most = Math.max(1, ...bins.map((bin) => bin.count));
    for (const bin of bins) {
      const label = `${signed(bin.from)} to ${signed(bin.to)}`.padStart(16);
      lines.push(
        `  ${label} ${bin.count.toLocaleString("en-US").padStart(7)} ${bar(bin.count / most, width - 28)}`.trimEnd(),
      );
    }
  }
  return lines;
}

/** One line of text that cannot move the cursor or colour the terminal: control characters are shown as spaces. */
export function printable(text: string, most: number): string {
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, " ");
  return clean.length <= most ? clean : `${clean.slice(0, most - 1)}…`;
}

function bar(share: number, width: number): string {
  const eighths = Math.round(share * width * 8);
  const full = "█".repeat(Math.floor(eighths / 8));
  const rest = eighths % 8;
  return rest === 0 ? full : full + (bars[rest - 1] ?? "");
}

function signed(value: number): string {
  return `${value > 0 ? "+" : ""}${Number(value.toFixed(1))}`;
}

export function percent(part: number, whole: number): string {
  return whole === 0 ? "0 %" : `${((100 * part) / whole).toFixed(part === 0 || part === whole ? 0 : 1)} %`;
}
