import type { ResultRow, Status } from "@assay/core";

/** One row of the table for group-relative training (GRPO). */
export interface GroupRow {
  readonly group: string;
  readonly principle: string;
  readonly row_index: number;
  readonly id: string;
  readonly response_index: number | null;
  readonly status: Status;
  /** null unless status is ok: a missing reward is the trainer's to mask, never a number of ours */
  readonly reward: number | null;
  /** rows of this group and principle, and how many of them have a reward */
  readonly group_rows: number;
  readonly group_ok: number;
  /** over the rewards there are; the deviation is the sample's (n - 1), as in TRL; null where it is not defined */
  readonly group_mean: number | null;
  readonly group_std: number | null;
}

export interface GroupStatistics {
  add(row: ResultRow): void;
  /** The row beside its group's figures, once all rows were added; null for a record that could not be read. */
  describe(row: ResultRow): GroupRow | null;
  readonly groups: number;
  /** groups whose rewards are all equal, where an advantage is 0 for every row */
  readonly flat: number;
}

interface Sums {
  rows: number;
  ok: number;
  mean: number;
  /** sum of squared distances from the mean (Welford 1962: one pass, no cancellation) */
  squares: number;
}

/** Mean and deviation of the rewards of each (group, principle). Memory: four numbers a group. */
export function createGroupStatistics(): GroupStatistics {
  const byGroup = new Map<string, Sums>();
  return {
    add(row) {
      const key = keyOf(row);
      if (key === null) return;
      const sums = byGroup.get(key) ?? { rows: 0, ok: 0, mean: 0, squares: 0 };
      byGroup.set(key, sums);
      sums.rows += 1;
      if (row.reward === null) return;
      sums.ok += 1;
      const away = row.reward - sums.mean;
      sums.mean += away / sums.ok;
      sums.squares += away * (row.reward - sums.mean);
    },
    describe(row) {
      const key = keyOf(row);
      const sums = key === null ? undefined : byGroup.get(key);
      if (sums === undefined || row.group === null || row.principle === null) return null;
      return {
        group: row.group,
        principle: row.principle,
        row_index: row.row_index,
        id: row.id,
        response_index: row.response_index,
        status: row.status,
        reward: row.reward,
        group_rows: sums.rows,
        group_ok: sums.ok,
        group_mean: sums.ok === 0 ? null : sums.mean,
        group_std: sums.ok < 2 ? null : Math.sqrt(sums.squares / (sums.ok - 1)),
      };
    },
    get groups() {
      return byGroup.size;
    },
    get flat() {
      return [...byGroup.values()].filter(({ ok, squares }) => ok > 1 && squares === 0).length;
    },
  };
}

function keyOf({ group, principle }: ResultRow): string | null {
  return group === null || principle === null ? null : JSON.stringify([group, principle]);
}
