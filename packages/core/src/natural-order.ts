/**
 * Orders names as people number them: runs of ASCII digits as integers of any length, the rest by UTF-16 unit, so
 * that 2.jsonl stands before 10.jsonl. Total: names that differ never compare equal (of 7 and 07 the shorter is
 * first). Not Intl, whose tables change between Node versions and would reorder a batch.
 */
export function compareNatural(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    if (isDigit(a, i) && isDigit(b, j)) {
      const runA = digitRun(a, i);
      const runB = digitRun(b, j);
      const difference = compareIntegers(runA, runB);
      if (difference !== 0) return difference;
      i += runA.length;
      j += runB.length;
    } else {
      const difference = a.charCodeAt(i) - b.charCodeAt(j);
      if (difference !== 0) return difference;
      i += 1;
      j += 1;
    }
  }
  const rest = a.length - i - (b.length - j);
  return rest !== 0 ? rest : a < b ? -1 : a > b ? 1 : 0;
}

function isDigit(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 48 && unit <= 57;
}

function digitRun(text: string, from: number): string {
  let to = from;
  while (to < text.length && isDigit(text, to)) to += 1;
  return text.slice(from, to);
}

/** By value, then by length: 7 before 07, so that equal values still have an order. */
function compareIntegers(a: string, b: string): number {
  const valueA = a.replace(/^0+/, "");
  const valueB = b.replace(/^0+/, "");
  if (valueA.length !== valueB.length) return valueA.length - valueB.length;
  if (valueA !== valueB) return valueA < valueB ? -1 : 1;
  return a.length - b.length;
}
