import type { BatchFile } from "@assay/core";
import { type Family, type Retry, readFamily } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { type BatchState, readState, readSummary } from "./read-state.ts";
import { count, counted } from "./say.ts";
import { statusText } from "./show-summary.ts";

/** What a retry came to so far; `ok` is known once it is complete. */
export interface RetryState {
  readonly retry: Retry;
  /** null: linked and not staged yet */
  readonly seen: BatchState | null;
  readonly status: { readonly [status: string]: number } | null;
}

/** The retries of a batch as the store tells them; none for a batch that is a retry itself. */
export async function readRetries(store: ObjectStore, file: BatchFile): Promise<RetryState[]> {
  if (file.parent !== undefined) return [];
  const { retries } = await readFamily(store, file);
  return Promise.all(
    retries.map(async (retry) => ({
      retry,
      seen: retry.file === null ? null : await readState(store, retry.name, retry.file),
      status: retry.complete ? (await readSummary(store, retry.name)).status : null,
    })),
  );
}

/** The family that a person means: of a batch with its retries, of a retry itself alone. */
export async function familyOf(store: ObjectStore, file: BatchFile): Promise<Family> {
  return file.parent === undefined ? readFamily(store, file) : { head: file, retries: [] };
}

/** Rows that are ok over a complete batch and its complete retries: a row is ok at most once, so they add up. */
export function familyOk(headOk: number, retries: readonly RetryState[]): number {
  return retries.reduce((sum, { status }) => sum + (status?.ok ?? 0), headOk);
}

/** "r1: truncated with max_tokens=32000: 4 of 4 rows, complete: 3 ok, 1 truncated" */
export function retryText({ retry, seen, status }: RetryState): string {
  const { filter, set } = retry.link;
  const settings = Object.entries(set).map(([key, value]) => `${key}=${value}`);
  const asked = `${filter.status.join(", ")}${settings.length === 0 ? "" : ` with ${settings.join(", ")}`}`;
  if (seen === null) return `${retry.name}  ${asked}: to be staged by the next worker`;
  const rows = `${count(seen.doneRows)} of ${counted(seen.file.counts.rows, "row")}`;
  return `${retry.name}  ${asked}: ${rows}, ${seen.state}${status === null ? "" : `: ${statusText(status)}`}`;
}

export function retryJson({ retry, seen, status }: RetryState) {
  return {
    batch: retry.name,
    asks: retry.link.filter.status,
    set: retry.link.set,
    state: seen?.state ?? "linked",
    rows: seen?.file.counts.rows ?? null,
    done: seen?.doneRows ?? 0,
    status,
  };
}
