import type { BatchFile } from "@assay/core";
import type { BatchSummary } from "@assay/scoring";
import type { ObjectStore } from "@assay/store";
import { percent } from "./histogram.ts";
import { count, counted, duration, result } from "./say.ts";

/** A complete batch and how long this process had to do with it. */
export interface CompleteBatch {
  readonly store: ObjectStore;
  readonly file: BatchFile;
  readonly summary: BatchSummary;
  /** null where the process only looked on */
  readonly seconds: number | null;
}

export function okRows(summary: BatchSummary): number {
  return summary.status.ok ?? 0;
}

/** Where the Parquet files are, as DuckDB and Polars take it. */
export function shardsPattern(store: ObjectStore, batch: string): string {
  return `${store.uri}/${batch}/rewards/*.parquet`;
}

/** The last line of `--json`. */
export function summaryJson({ store, file, summary, seconds }: CompleteBatch) {
  const ok = okRows(summary);
  return {
    batch: file.batch,
    state: "complete",
    records: summary.records,
    rows: summary.rows,
    ok,
    failed: summary.rows - ok,
    seconds: seconds === null ? null : Number(seconds.toFixed(1)),
    status: summary.status,
    simulated: summary.simulated,
    reward_mean: ok === 0 ? null : summary.reward_sum / ok,
    above_zero: summary.yes,
    prompt_tokens: summary.prompt_tokens,
    completion_tokens: summary.completion_tokens,
    model: file.model,
    profile: file.profile.name,
    root: store.uri,
    shards: shardsPattern(store, file.batch),
  };
}

/** The same for people, on stdout. */
export function showSummary(complete: CompleteBatch): void {
  const { store, file, summary, seconds } = complete;
  const ok = okRows(summary);
  result(`${file.batch}  complete`);
  result(`  rows      ${count(summary.rows)} of ${counted(summary.records, "record")}: ${statusText(summary.status)}`);
  if (ok > 0) {
    const mean = summary.reward_sum / ok;
    result(
      `  rewards   mean ${mean > 0 ? "+" : ""}${mean.toFixed(2)}, ${percent(summary.yes, ok)} above 0${summary.simulated ? "; simulated, no judgements" : ""}`,
    );
  }
  result(`  tokens    ${count(summary.prompt_tokens)} in, ${count(summary.completion_tokens)} out`);
  result(`  model     ${file.model}${file.revision === null ? "" : `@${file.revision}`}, profile ${file.profile.name}`);
  if (seconds !== null) result(`  took      ${duration(seconds)}`);
  result(`  shards    ${shardsPattern(store, file.batch)}`);
}

/** "410 ok, 2 no_response": most frequent first behind ok. */
export function statusText(status: BatchSummary["status"]): string {
  const entries = Object.entries(status).sort(([a, m], [b, n]) => (a === "ok" ? -1 : b === "ok" ? 1 : n - m));
  return entries.map(([name, rows]) => `${count(rows)} ${name}`).join(", ") || "none yet";
}
