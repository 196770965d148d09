import { createFailureBudget, type FailureBudget, type ResultRow } from "@assay/core";

/** The failure budgets of one batch on this worker, one per engine. */
export interface FailureWatch {
  /** Takes a scored row into account. Returns why its engine has to be fenced for this batch, or null. */
  note(origin: string, row: Pick<ResultRow, "status" | "row_index" | "error_message">): string | null;
  /** Forgets the rows of one engine. */
  forget(origin: string): void;
  /** Forgets everything: after a pause the person who resumes has mended something. */
  reset(): void;
}

export function createFailureWatch(): FailureWatch {
  const budgets = new Map<string, FailureBudget>();
  return {
    note(origin, row) {
      const budget = budgets.get(origin) ?? createFailureBudget();
      budgets.set(origin, budget);
      const failing = budget.add(row.status);
      if (failing === null) return null;
      const example = row.status === failing ? `; row ${row.row_index}: ${row.error_message ?? "no message"}` : "";
      return `more than half of the rows on this engine ended in ${failing}${example}`;
    },
    forget: (origin) => void budgets.delete(origin),
    reset: () => budgets.clear(),
  };
}
