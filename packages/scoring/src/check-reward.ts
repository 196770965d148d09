import { type ResultRow, reward } from "@assay/core";
import type { BrokenPromise } from "./broken-promise.ts";

/** Of a row, and of each of its samples. Null when the reward is what the log-probabilities give, and none without ok. */
export function checkReward(
  row: Pick<ResultRow, "status" | "reward" | "logprob_yes" | "logprob_no">,
): Omit<BrokenPromise, "where"> | null {
  if (row.status !== "ok") {
    return row.reward === null
      ? null
      : { promise: "P8", what: "a row that is not ok has a reward", expected: "null", got: String(row.reward) };
  }
  if (row.reward === null || row.logprob_yes === null || row.logprob_no === null) {
    return { promise: "P8", what: "a row that is ok lacks its reward or a log-probability" };
  }
  const defined = reward(row.logprob_yes, row.logprob_no);
  return defined === row.reward
    ? null
    : {
        promise: "P8",
        what: "a reward is not what its log-probabilities give",
        expected: String(defined),
        got: String(row.reward),
      };
}
