import { createFailureBudget, type FailureBudget, type ResultRow } from "@assay/core";

/** The failure budgets of one batch on this worker, one per engine. */
export interface FailureWatch {
  /** Takes a scored row into account. Returns why its engine has to be fenced for this batch, or null. */
  note(origin: string, row: Pick<ResultRow, "status" | "row_index" | "error_message">): string | null;
  /**
   * Takes a refusal of the key or of the model into account, at `now` (epoch ms). Whether the engine has to be fenced:
   * refusals for 15 s, and no answer in between. After 30 s without a refusal they begin anew: an answer takes minutes.
   */
  refuses(origin: string, now: number): boolean;
  /** An engine has answered a row. */
  answers(origin: string): void;
  /** Forgets the rows of one engine. */
  forget(origin: string): void;
  /** Forgets everything: after a pause the person who resumes has mended something. */
  reset(): void;
}

/** A gateway that reads its routes anew answers 404 or 403 for some seconds; what is wrong is so all night. */
const refusedForMs = 15_000;
/** Twice the longest pause of a row that is refused. */
const refusedApartMs = 30_000;

export function createFailureWatch(): FailureWatch {
  const budgets = new Map<string, FailureBudget>();
  const refusing = new Map<string, { readonly since: number; readonly last: number }>();
  return {
    note(origin, row) {
      const budget = budgets.get(origin) ?? createFailureBudget();
      budgets.set(origin, budget);
      const failing = budget.add(row.status);
      if (failing === null) return null;
      const example = row.status === failing ? `; row ${row.row_index}: ${row.error_message ?? "no message"}` : "";
      return `more than half of the rows on this engine ended in ${failing}${example}`;
    },
    refuses(origin, now) {
      const before = refusing.get(origin);
      const since = before === undefined || now - before.last > refusedApartMs ? now : before.since;
      refusing.set(origin, { since, last: now });
      return now - since >= refusedForMs;
    },
    answers: (origin) => void refusing.delete(origin),
    forget(origin) {
      for (const map of [budgets, refusing]) map.delete(origin);
    },
    reset() {
      for (const map of [budgets, refusing]) map.clear();
    },
  };
}
