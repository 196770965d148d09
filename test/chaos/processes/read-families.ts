import { retryKey, retryName, shardPrefix } from "@assay/core";
import { decodeShard } from "@assay/datasets";
import type { S3LogEntry } from "@assay/testkit";
import type { Ask } from "./engine-gate.ts";
import type { BatchFacts } from "./run-facts.ts";

export interface RunBatch {
  readonly name: string;
  /** as the gates call them, in row order */
  readonly rows: readonly string[];
  readonly isCancelled: boolean;
}

export interface Families {
  /** the batches of a run and their retries, by name; a retry's rows are called after it, so that no two are alike */
  readonly batches: ReadonlyMap<string, BatchFacts>;
  /** what engines were asked, under the same names */
  readonly asks: readonly (Ask & { readonly batch: string })[];
}

/**
 * Which batch a row was asked for: its own, or from the moment of the retry's link on the retry, for which alone the
 * rows that it holds can be asked then.
 */
export async function readFamilies(
  run: readonly RunBatch[],
  objects: ReadonlyMap<string, { readonly bytes: Uint8Array }>,
  log: readonly S3LogEntry[],
  asks: readonly Ask[],
): Promise<Families> {
  const batches = new Map<string, BatchFacts>();
  const batchOf = new Map<string, string>();
  const again = new Map<string, { batch: string; row: string; sinceMs: number }>();
  for (const { name, rows, isCancelled } of run) {
    batches.set(name, { names: new Map(rows.entries()), isWhole: !isCancelled });
    for (const row of rows) batchOf.set(row, name);
    if (!objects.has(retryKey(name, 1))) continue;
    const child = retryName(name, 1);
    const sinceMs = log.find(({ action, key }) => action === "PutObject" && key === retryKey(name, 1))?.at ?? 0;
    const names = new Map<number, string>();
    for (const [key, { bytes }] of objects) {
      if (!key.startsWith(shardPrefix(child))) continue;
      for (const { row_index } of (await decodeShard(bytes)).rows) {
        const row = rows[row_index] ?? "";
        names.set(row_index, `${row} of ${child}`);
        again.set(row, { batch: child, row: `${row} of ${child}`, sinceMs });
      }
    }
    batches.set(child, { names, isWhole: true });
  }
  const named = asks.map((ask) => {
    const retried = again.get(ask.row);
    if (retried !== undefined && ask.at >= retried.sinceMs) return { ...ask, row: retried.row, batch: retried.batch };
    return { ...ask, batch: batchOf.get(ask.row) ?? "" };
  });
  return { batches, asks: named };
}
