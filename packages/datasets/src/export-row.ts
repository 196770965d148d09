import type { ResultRow, UserColumn } from "@assay/core";

/** A result row with its texts, where these were asked for. */
export interface ExportRow {
  readonly row: ResultRow;
  /** what a policy puts in the place of the row's own reward (`export --missing`); finite. Left out = the row's own. */
  readonly reward?: number | null;
  /** the conversation before the response, as `promptText` writes it */
  readonly prompt: string | null;
  readonly response: string | null;
}

export function rewardOf({ row, reward = row.reward }: ExportRow): number | null {
  return reward;
}

export const exportFormats = ["parquet", "jsonl", "csv"] as const;

export interface ExportOptions {
  readonly format: (typeof exportFormats)[number];
  /** adds `prompt` and `response` behind the other columns */
  readonly text: boolean;
  readonly columns: readonly UserColumn[];
}

/** Where bytes go, in order. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
}
