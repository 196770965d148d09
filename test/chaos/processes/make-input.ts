/** One batch of a run: its file and what every row of it is called at the engines' gates. */
export interface Input {
  readonly text: string;
  /** name at the gates, in row order */
  readonly rows: readonly string[];
}

/** Long enough for a checkpoint in the middle of its chunk. */
const longPrinciples = 100;
const shortPrinciples = 4;

/**
 * The `n`-th batch: one record of 100 rows, which is a chunk of its own, then `records` of 4 rows, in chunks of 16.
 * Every row says which it is, in words that mean nothing to the engine.
 */
export function makeInput(n: number, records: number): Input {
  const rows: string[] = [];
  const lines = Array.from({ length: records + 1 }, (_, record) => {
    const name = `${n}.${record}`;
    const principles = Array.from({ length: record === 0 ? longPrinciples : shortPrinciples }, (_, p) => {
      rows.push(`${name}.${p}`);
      return `p${p} of q${name}`;
    });
    return JSON.stringify({
      id: name,
      prompt: `q${name}: what is ${record} and ${n}?`,
      response: `${record + n}`,
      principles,
    });
  });
  return { text: `${lines.join("\n")}\n`, rows };
}
