import type { Profile } from "./profile.ts";

/** How long the rows take at the profile's stated rate; null where it states none. */
export interface NightEstimate {
  readonly nodeHours: number;
  readonly rowsPerNodeHour: number;
  readonly tokensPerRow: number;
  /** where the rate comes from */
  readonly source: string;
}

export function estimateNight(rows: number, profile: Profile): NightEstimate | null {
  if (profile.rate === null) return null;
  return {
    nodeHours: rows / profile.rate.rows_per_node_hour,
    rowsPerNodeHour: profile.rate.rows_per_node_hour,
    tokensPerRow: profile.rate.tokens_per_row,
    source: profile.rate.source,
  };
}
