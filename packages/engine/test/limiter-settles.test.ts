import { describe, expect, test } from "@jest/globals";
import { feedEngine } from "./fed-engine.ts";

/**
 * The limiter against the simulator's scheduler and KV cache, through the page of /metrics, in virtual time: too few rows
 * in flight leave steps half empty, too many are preempted and computed again.
 */

const seed = 1;
/** rows of 3,000 tokens that the cache holds: the expected live tokens of a row */
const live = 3_000;

describe.each([60_000, 140_000, 300_000])(`a cache of %i tokens, seed ${seed}`, (kvTokens) => {
  const fixed = (share: number) =>
    feedEngine({ kvTokens, seed, limit: { fixed: Math.round((share * kvTokens) / live) } });
  const half = fixed(0.5);
  const whole = fixed(1);
  const overfed = fixed(2);
  const best = Math.max(...[half, fixed(0.6), fixed(0.7), fixed(0.8), whole].map((fed) => fed.tokensPerSecond));

  test("is filled best neither by half of the rows that fit nor by all of them", () => {
    expect(half.tokensPerSecond).toBeLessThan(0.99 * best);
    expect(whole.tokensPerSecond).toBeLessThan(0.99 * best);
    expect(overfed.tokensPerSecond).toBeLessThan(0.97 * best);
  });

  test.each([16, 1_024])(
    "law: from %i the limit settles within 5 %% of the best fixed one, and one row in ten is preempted at most",
    (start) => {
      const { tokensPerSecond, preemptions } = feedEngine({ kvTokens, seed, limit: { start } });
      expect(tokensPerSecond).toBeGreaterThan(0.95 * best);
      expect(preemptions).toBeLessThan(0.1);
    },
  );
});
