import {
  type BatchFile,
  isBadLine,
  prepareRow,
  type ResultRow,
  type Row,
  type RowsLine,
  rowsOf,
  userCells,
} from "@assay/core";
import type { BrokenPromise } from "./broken-promise.ts";
import { checkReward } from "./check-reward.ts";
import { checkSamples } from "./check-samples.ts";

/**
 * Compares what a shard holds with what its chunk asked (P1: every row once, in order, with its labels) and with the
 * reward's definition (P8: none without ok, none that its log-probabilities or its samples do not give). `deep` makes every row_key
 * anew from what the row asks. Pure; null when all holds.
 */
export function checkRows(
  file: BatchFile,
  asked: readonly RowsLine[],
  got: readonly ResultRow[],
  deep = false,
): BrokenPromise | null {
  const expected = asked.flatMap((line) => labelsOf(file, line));
  const rows = deep ? asked.flatMap((line): (Row | null)[] => (isBadLine(line) ? [null] : rowsOf(line))) : [];
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
    const { columns = {}, ...labels } = expected[i] ?? {};
    for (const [column, value] of [...Object.entries(labels), ...Object.entries(columns)]) {
      const found = column in columns ? row.columns[column] : row[column as keyof ResultRow];
      if (found !== value)
        return {
          promise: "P1",
          what: `a result is not its row's: column ${column}`,
          where: `row ${row.row_index}`,
          expected: String(value),
          got: String(found),
        };
    }
    const asks = rows[i] ?? null;
    const wrong =
      checkReward(row) ??
      checkSamples(file, row) ??
      checkOrigin(file, row) ??
      (asks === null ? null : checkKey(file, asks, row));
    if (wrong !== null) return { ...wrong, where: `row ${row.row_index}` };
  }
  return null;
}

function labelsOf(file: BatchFile, line: RowsLine): Partial<ResultRow>[] {
  if (isBadLine(line)) {
    const { row_index, id, input, input_line } = line;
    return [{ row_index, id, input, input_line, status: "bad_input", columns: userCells(file, null) }];
  }
  const columns = userCells(file, line.carried);
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
    columns,
  }));
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

/** The key says what was judged: another one would hand this reward on to other rows. */
function checkKey(file: BatchFile, asks: Row, row: ResultRow): Omit<BrokenPromise, "where"> | null {
  const prepared = prepareRow(asks, file);
  const expected = prepared.kind === "ask" ? prepared.rowKey : null;
  // a row that was given up before it was asked has none
  if (row.row_key === expected || (row.row_key === null && row.status !== "ok" && expected !== null)) return null;
  return {
    promise: "P1",
    what: "a row_key is not that of what the row asks",
    expected: expected ?? `none: the row is ${prepared.kind === "unasked" ? prepared.status : ""}`,
    got: row.row_key ?? "none",
  };
}
