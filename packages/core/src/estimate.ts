import type { Profile } from "./profile.ts";

/** How long the rows take at the profile's stated rate; null where it states none. A row of k samples is asked k times. */
export interface NightEstimate {
  readonly nodeHours: number;
  readonly rowsPerNodeHour: number;
  readonly tokensPerRow: number;
  /** where the rate comes from */
  readonly source: string;
}

export function estimateNight(rows: number, profile: Profile, samples = 1): NightEstimate | null {
  if (profile.rate === null) return null;
  return {
    nodeHours: (rows * samples) / profile.rate.rows_per_node_hour,
    rowsPerNodeHour: profile.rate.rows_per_node_hour / samples,
    tokensPerRow: profile.rate.tokens_per_row * samples,
    source: profile.rate.source,
  };
}
