import { type BatchFile, canonicalJson, type ResultRow, retrySettings, type Status, statuses } from "@assay/core";
import { Broken, under } from "./broken-promise.ts";
import { readPin } from "./pin-batch.ts";
import type { Family, Retry } from "./read-family.ts";
import { earlierThan, planRetry, type RetryPorts } from "./stage-retry.ts";

/** What every row of a batch came to so far, one byte a row: which rows a retry must ask, and that none is ok twice. */
export interface NewestStatus {
  note(row: Pick<ResultRow, "row_index" | "status">): void;
  of(rowIndex: number): Status | null;
  count(wanted: readonly Status[]): number;
}

export function newestStatus(rows: number): NewestStatus {
  // 0 = no result
  const codes = new Uint8Array(rows);
  return {
    note({ row_index, status }) {
      codes[row_index] = statuses.indexOf(status) + 1;
    },
    of: (rowIndex) => statuses[(codes[rowIndex] ?? 0) - 1] ?? null,
    count(wanted) {
      const codesWanted = new Set(wanted.map((status) => statuses.indexOf(status) + 1));
      return codes.reduce((sum, code) => sum + (codesWanted.has(code) ? 1 : 0), 0);
    },
  };
}

/**
 * No retry before its batch or the one before is complete. `complete` has to be what was seen of the batch after its
 * links were listed: it may end, and be retried, in between. Throws Broken.
 */
export function checkChain({ head, retries }: Family, complete: boolean): void {
  for (const { n, name } of retries) {
    const before = n === 1 ? { name: head.batch, complete } : retries[n - 2];
    if (before?.complete === true) continue;
    throw new Broken({
      promise: "P1",
      what: "a retry was begun before what it follows was complete",
      where: name,
      expected: `${before?.name} complete`,
      got: "not complete",
    });
  }
}

/**
 * Whether a child is what its link makes of its parent: settings and pin; `deep` makes its rows anew from the store and
 * compares every chunk. Throws Broken.
 */
export async function checkChild(
  ports: RetryPorts,
  family: Family,
  retry: Retry & { readonly file: BatchFile },
  deep: boolean,
): Promise<void> {
  const { head } = family;
  const { file, link, n } = retry;
  const where = `${file.batch}/batch.json`;
  const expected = await under(
    "P5",
    where,
    Promise.resolve().then(() => retrySettings(head, link)),
  );
  for (const [name, value] of Object.entries(expected)) {
    const got = file[name as keyof BatchFile];
    if (canonicalJson(got ?? null) === canonicalJson(value ?? null)) continue;
    throw new Broken({ promise: "P5", what: `a retry's ${name} is not what its link makes of its batch`, where });
  }
  const pins = await Promise.all([head.batch, file.batch].map((batch) => readPin(ports.store, batch)));
  const [own, child] = pins.map((pin) => canonicalJson(pin));
  if (own !== child) {
    throw new Broken({ promise: "P2", what: "a retry is pinned to other engines than its batch", where: file.batch });
  }
  if (!deep) return;
  const never = new AbortController().signal;
  const planned = await under(
    "P1",
    where,
    planRetry(ports, earlierThan(family, n), link, { software: file.software, signal: never }),
  );
  if (canonicalJson(planned.chunks) === canonicalJson(file.chunks)) return;
  throw new Broken({
    promise: "P1",
    what: "a retry's rows are not those that its batch says are to be asked again",
    where,
    expected: `${planned.counts.rows} rows in ${planned.chunks.length} chunks`,
    got: `${file.counts.rows} rows in ${file.chunks.length} chunks`,
  });
}

/** A row of a child against what it had come to before: asked again only with a wanted status. Throws Broken. */
export function checkAskedAgain(retry: Retry, newest: NewestStatus, rowIndex: number): void {
  const before = newest.of(rowIndex);
  if (before !== null && retry.link.filter.status.includes(before)) return;
  throw new Broken({
    promise: "P1",
    what:
      before === "ok" ? "a row that has its reward was asked again" : "a retry holds a row that its link does not name",
    where: `${retry.name} row ${rowIndex}`,
    expected: retry.link.filter.status.join(", "),
    got: before ?? "no such row",
  });
}
