import type { ResultRow } from "@assay/core";

/** What an evaluation takes of a result row. `batch` is the batch of the plan, whichever retry the result is of. */
export type ScoredRow = Pick<
  ResultRow,
  "batch" | "id" | "input" | "input_line" | "response_index" | "principle" | "status" | "reward" | "columns"
>;

/** The rows of one record, by response. */
export interface ScoredRecord {
  readonly id: string;
  readonly responses: readonly ScoredResponse[];
}

export interface ScoredResponse {
  readonly index: number;
  readonly columns: ScoredRow["columns"];
  /** mean of the rewards over the principles asked; null when one of them has none */
  readonly score: number | null;
  readonly principles: number;
}

/**
 * Rows put together as the records they come from, in the order of each one's first row; responses by their number. Rows
 * that are no judgement (bad records: no response) are left out, `unplaced` counts them.
 */
export function recordsOf(rows: readonly ScoredRow[]): { records: ScoredRecord[]; unplaced: number } {
  const records = new Map<string, { id: string; responses: Map<number, ScoredRow[]> }>();
  let unplaced = 0;
  for (const row of rows) {
    if (row.response_index === null) {
      unplaced += 1;
      continue;
    }
    const key = JSON.stringify([row.batch, row.input, row.input_line]);
    const record = records.get(key) ?? { id: row.id, responses: new Map<number, ScoredRow[]>() };
    records.set(key, record);
    const own = record.responses.get(row.response_index);
    if (own === undefined) record.responses.set(row.response_index, [row]);
    else own.push(row);
  }
  return {
    records: [...records.values()].map(({ id, responses }) => ({
      id,
      responses: [...responses].sort(([a], [b]) => a - b).map(([index, own]) => responseOf(index, own)),
    })),
    unplaced,
  };
}

function responseOf(index: number, rows: readonly ScoredRow[]): ScoredResponse {
  const rewards = rows.flatMap(({ reward }) => (reward === null ? [] : [reward])).sort((a, b) => a - b);
  const sum = rewards.reduce((all, reward) => all + reward, 0);
  return {
    index,
    columns: rows[0]?.columns ?? {},
    score: rewards.length < rows.length || rows.length === 0 ? null : sum / rows.length,
    principles: rows.length,
  };
}
