import type { ResultRow } from "@assay/core";

/** What an evaluation takes of a result row. `batch` is the batch of the plan, whichever retry the result is of. */
export type ScoredRow = Pick<
  ResultRow,
  | "batch"
  | "row_index"
  | "id"
  | "input"
  | "input_line"
  | "response_index"
  | "principle_index"
  | "principle"
  | "status"
  | "reward"
  | "columns"
>;

/** The rows of one record, by response. */
export interface ScoredRecord {
  readonly id: string;
  readonly responses: readonly ScoredResponse[];
}

export interface ScoredResponse {
  readonly index: number;
  readonly columns: ScoredRow["columns"];
  /** mean of the rewards over the principles asked; null when one of them has none, or its row is not there */
  readonly score: number | null;
  readonly principles: number;
}

/**
 * Rows put together as the records they come from, places in the order of each one's first row; responses by their number. Rows
 * that are no judgement (bad records: no response) are left out, `unplaced` counts them.
 */
export function recordsOf(rows: readonly ScoredRow[]): { records: ScoredRecord[]; unplaced: number } {
  const placed = rows.filter(({ response_index }) => response_index !== null);
  const byPlace = new Map<string, ScoredRow[]>();
  for (const row of placed) {
    const place = placeOf(row);
    const own = byPlace.get(place);
    if (own === undefined) byPlace.set(place, [row]);
    else own.push(row);
  }
  return {
    records: [...byPlace.values()].flatMap(recordsAt),
    unplaced: rows.length - placed.length,
  };
}

/**
 * Where a record stands in the input. A JSON array may have all of its records on one line, and ids may repeat: what
 * has the same place may still be several records.
 */
function placeOf({ batch, input, input_line, id }: ScoredRow): string {
  return JSON.stringify([batch, input, input_line, id]);
}

/** The rows of one place, cut where a response and principle come that were there already: another record begins. */
function recordsAt(rows: readonly ScoredRow[]): ScoredRecord[] {
  const inOrder = rows.toSorted((a, b) => a.row_index - b.row_index);
  const records: ScoredRow[][] = [];
  let last: ScoredRow | null = null;
  for (const row of inOrder) {
    if (last !== null && isBehind(row, last)) records.at(-1)?.push(row);
    else records.push([row]);
    last = row;
  }
  return records.map(recordOf);
}

/** A record's rows count up: by response, and within a response by principle. */
function isBehind(row: ScoredRow, before: ScoredRow): boolean {
  const responses = (row.response_index ?? 0) - (before.response_index ?? 0);
  return responses === 0 ? (row.principle_index ?? 0) > (before.principle_index ?? 0) : responses > 0;
}

function recordOf(rows: readonly ScoredRow[]): ScoredRecord {
  const responses = new Map<number, ScoredRow[]>();
  for (const row of rows) {
    const index = row.response_index ?? 0;
    const own = responses.get(index);
    if (own === undefined) responses.set(index, [row]);
    else own.push(row);
  }
  // all responses of a record are asked the same principles: who has fewer lost a row, as to `export --missing drop`
  const asked = [...responses.values()].reduce((most, { length }) => Math.max(most, length), 0);
  return { id: rows[0]?.id ?? "", responses: [...responses].map(([index, own]) => responseOf(index, own, asked)) };
}

function responseOf(index: number, rows: readonly ScoredRow[], asked: number): ScoredResponse {
  const rewards = rows.flatMap(({ reward }) => (reward === null ? [] : [reward])).sort((a, b) => a - b);
  const sum = rewards.reduce((all, reward) => all + reward, 0);
  return {
    index,
    columns: rows[0]?.columns ?? {},
    score: rewards.length < asked ? null : sum / asked,
    principles: rows.length,
  };
}
