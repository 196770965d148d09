import { logprobFloor, reward } from "./reward.ts";

export interface RewardArithmetic {
  readonly reward: number;
  /** the words whose log-probability is under the floor, and counts as the floor */
  readonly clipped: readonly ("yes" | "no")[];
  /** from the formula to the number, one step a line, every digit */
  readonly lines: readonly string[];
}

/** How a reward comes from its two log-probabilities, to check by hand. Throws as `reward` does. Pure. */
export function rewardArithmetic(logprobYes: number, logprobNo: number): RewardArithmetic {
  const value = reward(logprobYes, logprobNo);
  const sides = [
    ["yes", logprobYes],
    ["no", logprobNo],
  ] as const;
  const [yes, no] = sides.map(([, logprob]) => String(Math.max(logprob, logprobFloor)));
  return {
    reward: value,
    clipped: sides.filter(([, logprob]) => logprob < logprobFloor).map(([side]) => side),
    lines: [
      `max(logprob(Yes), ${logprobFloor}) - max(logprob(No), ${logprobFloor})`,
      `max(${logprobYes}, ${logprobFloor}) - max(${logprobNo}, ${logprobFloor})`,
      `${yes} - ${inBrackets(no ?? "")}`,
      String(value),
    ],
  };
}

function inBrackets(number: string): string {
  return number.startsWith("-") ? `(${number})` : number;
}
