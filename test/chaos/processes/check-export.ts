import { readFile } from "node:fs/promises";
import { retryName } from "@assay/core";
import type { Rewards } from "./undisturbed.ts";

/**
 * An `assay export` of a batch that has a retry: every row once, with the reward of whichever of the two has one, as an
 * undisturbed engine gives it. Returns what is wrong, in sentences.
 */
export async function checkExport(path: string, batch: string, rows: number, expected: Rewards): Promise<string[]> {
  const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
  const exported = lines.map(
    (line) => JSON.parse(line) as { row_index: number; status: string; reward: number | null },
  );
  const once = new Set(exported.map(({ row_index }) => row_index));
  if (exported.length !== rows || once.size !== rows)
    return [`the export of ${batch} holds ${exported.length} lines of ${once.size} rows, its input ${rows}`];
  const wanted = (row: number): number | null | undefined =>
    expected.get(retryName(batch, 1))?.get(row) ?? expected.get(batch)?.get(row);
  const wrong = exported.filter(
    ({ row_index, status, reward }) =>
      // also where either of them is none
      status === "ok" && !(Math.abs((reward ?? Number.NaN) - (wanted(row_index) ?? Number.NaN)) < 1e-6),
  );
  const left = exported.filter(({ status }) => status === "truncated");
  return [
    ...wrong.slice(0, 3).map(({ row_index, reward }) => `the export of ${batch} gives row ${row_index} ${reward}`),
    ...(left.length === 0 ? [] : [`${left.length} rows of ${batch} are still truncated behind its retry`]),
  ];
}
