import type { BatchFile } from "./batch-file.ts";
import { cardPolicies, hasCardPolicies, seenAnswer } from "./card-policies.ts";
import { AssayError } from "./error.ts";
import type { ResultRow } from "./result-row.ts";
import { logprobFloor } from "./reward.ts";

/**
 * What an export writes as the reward of a row that has none. null: nothing, which is the truth. zero and floor: 0 and
 * -50. card: what the model card's own program gives, where what was stored decides it; else null. drop: no line.
 * The row keeps its status, which says that the number was put there by a policy.
 */
export const missingPolicies = ["null", "zero", "floor", "card", "drop"] as const;
export type MissingPolicy = (typeof missingPolicies)[number];

/** The reward to export; "drop" when the row is to be left out. Pure. */
export function exportedReward(row: ResultRow, policy: MissingPolicy, file: BatchFile): number | null | "drop" {
  if (row.status === "ok") return row.reward;
  switch (policy) {
    case "null":
      return null;
    case "zero":
      return 0;
    case "floor":
      return logprobFloor;
    case "drop":
      return "drop";
    default:
      return cardReward(row, file);
  }
}

/** Throws E_USAGE for `card` with a profile of which the card says nothing. */
export function checkMissingPolicy(policy: MissingPolicy, file: BatchFile): void {
  if (policy !== "card" || hasCardPolicies(file.profile)) return;
  throw new AssayError("E_USAGE", "the model card's policy is for its own model family", {
    where: "--missing card",
    expected: "a batch of profile genrm-principle",
    got: file.profile.name,
  });
}

/** Of one answer: the card says nothing of several. */
function cardReward(row: ResultRow, file: BatchFile): number | null {
  if (row.samples !== null) return null;
  const [card] = cardPolicies(seenAnswer(row, file.keep_reasoning));
  const [only, ...others] = card?.outcomes ?? [];
  return only === undefined || others.length > 0 || only.when.length > 0 ? null : only.reward;
}
