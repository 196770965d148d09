/** What one committed chunk cost: the rows that were asked in it, and the tokens they generated. */
export interface ChunkCost {
  /** epoch milliseconds of its last row */
  readonly at: number;
  readonly rows: number;
  readonly tokens: number;
}

export interface Forecast {
  readonly tokensPerRow: number;
  readonly tokensPerSecond: number;
  /** for the rows that are left, in seconds: as measured, and at the fastest and slowest fifth of the time looked at */
  readonly seconds: number;
  readonly fastest: number;
  readonly slowest: number;
  /** epoch milliseconds of the last row it rests on: nothing newer is known */
  readonly measuredUntil: number;
}

/** Fewer rows say more about themselves than about the batch. */
const forecastAfterRows = 200;
/** Nothing was committed in so long: nobody worked, and the time does not count. A chunk of 16,000-token rows takes 15 min. */
const pauseMs = 20 * 60_000;
/** Speed changes over a night; what is older than this much working time says nothing about the rest of it. */
const windowMs = 60 * 60_000;
/** The range is that of the speeds of so many equal parts of the time. */
const parts = 5;

/**
 * How long the rows that are left take at the tokens per second that were measured: the last hour of
 * working time, pauses left out. null before 200 rows, or where no time passed. What is done is a fair sample of the
 * batch where its chunks run mixed; rows that still run are the longer ones, so that within the time of one long answer
 * from the start the forecast is too short. Pure; any order of `costs`.
 */
export function forecast(costs: readonly ChunkCost[], rowsLeft: number): Forecast | null {
  const byTime = [...costs].sort((a, b) => a.at - b.at);
  const [first] = byTime;
  const last = byTime.at(-1);
  if (first === undefined || last === undefined) return null;
  // working time that passed before each chunk ended; the first one's own beginning is not known, so its rows are not counted
  let worked = 0;
  const spans = byTime.slice(1).map((cost, i) => {
    const since = cost.at - (byTime[i]?.at ?? cost.at);
    worked += since > pauseMs ? 0 : since;
    return { ...cost, worked };
  });
  const seen = spans.filter((span) => span.worked > worked - windowMs);
  const from = Math.max(0, worked - windowMs);
  const [rows, tokens] = [sum(seen, "rows"), sum(seen, "tokens")];
  const seconds = (worked - from) / 1_000;
  if (sum(costs, "rows") < forecastAfterRows || rows === 0 || tokens === 0 || seconds <= 0) return null;
  const tokensPerRow = tokens / rows;
  const tokensPerSecond = tokens / seconds;
  const speeds = Array.from({ length: parts }, (_, part) => {
    const begin = from + ((worked - from) * part) / parts;
    const end = from + ((worked - from) * (part + 1)) / parts;
    return (
      sum(
        seen.filter((span) => span.worked > begin && span.worked <= end),
        "tokens",
      ) /
      (seconds / parts)
    );
  }).filter((speed) => speed > 0);
  const left = rowsLeft * tokensPerRow;
  return {
    tokensPerRow,
    tokensPerSecond,
    seconds: left / tokensPerSecond,
    fastest: left / Math.max(tokensPerSecond, ...speeds),
    slowest: left / Math.min(tokensPerSecond, ...speeds),
    measuredUntil: last.at,
  };
}

function sum(costs: readonly ChunkCost[], of: "rows" | "tokens"): number {
  return costs.reduce((total, cost) => total + cost[of], 0);
}
