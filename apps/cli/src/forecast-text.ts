import { type BatchFile, type ChunkCost, type Forecast, type ResultRow, runsMixed } from "@assay/core";
import { count, counted, duration } from "./say.ts";

/** What a committed chunk cost its engines; null when nothing of it was asked. */
export function costOf(rows: readonly ResultRow[]): ChunkCost | null {
  const asked = rows.filter((row) => row.attempts !== null && row.attempts > 0);
  if (asked.length === 0) return null;
  return {
    at: asked.reduce((latest, row) => Math.max(latest, row.scored_at), 0),
    rows: asked.length,
    tokens: asked.reduce((sum, row) => sum + (row.completion_tokens ?? 0), 0),
  };
}

/** "5 h 10 min left (4 h 40 min to 5 h 55 min) at 41,000 tokens/s and 2,130 tokens a row" */
export function forecastText(made: Forecast, file: Pick<BatchFile, "order" | "chunks">): string {
  const { seconds, fastest, slowest, tokensPerSecond, tokensPerRow } = made;
  const range = duration(fastest) === duration(slowest) ? "" : ` (${duration(fastest)} to ${duration(slowest)})`;
  const speed = `${count(Math.round(tokensPerSecond))} tokens/s and ${counted(Math.round(tokensPerRow), "token")} a row`;
  return `${duration(seconds)} left${range} at ${speed}${runsMixed(file) ? "" : "; in file order, what is done may not be like the rest"}`;
}
