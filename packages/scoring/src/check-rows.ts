import { type BatchFile, isBadLine, type ResultRow, type RowsLine, reward } from "@assay/core";

/** A promise of DESIGN 8 that the store breaks; the first one found. */
export interface BrokenPromise {
  readonly promise: "P1" | "P2" | "P5" | "P6" | "P8";
  readonly what: string;
  readonly where: string;
  readonly expected?: string;
  readonly got?: string;
}

/**
 * Compares what a shard holds with what its chunk asked (P1: every row once, in order, with its labels) and with the
 * reward's definition (P8: none without ok, none that its log-probabilities do not give). Pure; null when all holds.
 */
export function checkRows(
  file: BatchFile,
  asked: readonly RowsLine[],
  got: readonly ResultRow[],
): BrokenPromise | null {
  const expected = asked.flatMap(labelsOf);
  if (got.length !== expected.length) {
    return {
      promise: "P1",
      what: "a shard has not one result per row",
      where: "",
      expected: `${expected.length} rows`,
      got: `${got.length} rows`,
    };
  }
  for (const [i, row] of got.entries()) {
    const labels = expected[i] ?? {};
    for (const [column, value] of Object.entries(labels)) {
      const found = row[column as keyof ResultRow];
      if (found !== value)
        return {
          promise: "P1",
          what: `a result is not its row's: column ${column}`,
          where: `row ${row.row_index}`,
          expected: String(value),
          got: String(found),
        };
    }
    const wrong = checkReward(row) ?? checkOrigin(file, row);
    if (wrong !== null) return { ...wrong, where: `row ${row.row_index}` };
  }
  return null;
}

function labelsOf(line: RowsLine): Partial<ResultRow>[] {
  if (isBadLine(line)) {
    return [
      { row_index: line.row_index, id: line.id, input: line.input, input_line: line.input_line, status: "bad_input" },
    ];
  }
  return line.principles.map((principle) => ({
    row_index: principle.row_index,
    id: line.id,
    group: line.group,
    input: line.input,
    input_line: line.input_line,
    response_index: line.response_index,
    principle_index: principle.principle_index,
    principle: principle.text,
    carried: line.carried === null ? null : JSON.stringify(line.carried),
  }));
}

function checkReward(row: ResultRow): Omit<BrokenPromise, "where"> | null {
  if (row.status !== "ok") {
    return row.reward === null
      ? null
      : { promise: "P8", what: "a row that is not ok has a reward", expected: "null", got: String(row.reward) };
  }
  if (row.reward === null || row.logprob_yes === null || row.logprob_no === null) {
    return { promise: "P8", what: "a row that is ok lacks its reward or a log-probability" };
  }
  const defined = reward(row.logprob_yes, row.logprob_no);
  return defined === row.reward
    ? null
    : {
        promise: "P8",
        what: "a reward is not what its log-probabilities give",
        expected: String(defined),
        got: String(row.reward),
      };
}

function checkOrigin(file: BatchFile, row: ResultRow): Omit<BrokenPromise, "where"> | null {
  if (row.batch !== file.batch)
    return { promise: "P1", what: "a row of another batch", expected: file.batch, got: row.batch };
  if (row.model !== file.model)
    return { promise: "P1", what: "a row of another model", expected: file.model, got: row.model };
  if (row.status === "bad_input" && row.principle_index !== null)
    return {
      promise: "P1",
      what: "a record that could be read is said to be bad",
      expected: "a result",
      got: row.status,
    };
  if (row.attempts !== null && row.attempts > 0 && row.row_key === null)
    return { promise: "P1", what: "an asked row without row_key" };
  return null;
}
