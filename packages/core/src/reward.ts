/** Where the model card clips a log-probability: what is less likely than e^-50 says nothing more. */
export const logprobFloor = -50;

/**
 * reward = max(logprob(Yes), -50) - max(logprob(No), -50), natural logarithm, between -50 and 50 (model card of
 * Qwen3-Nemotron-32B-GenRM-Principle). Throws on anything but two finite numbers: a reward is never invented.
 */
export function reward(logprobYes: number, logprobNo: number): number {
  if (!Number.isFinite(logprobYes) || !Number.isFinite(logprobNo)) {
    throw new TypeError(`reward: expected two finite log-probabilities, got ${logprobYes} and ${logprobNo}`);
  }
  return Math.max(logprobYes, logprobFloor) - Math.max(logprobNo, logprobFloor);
}
