import { describe, expect, test } from "@jest/globals";
import { type SecondSeen, seenWindow, whyHandOver } from "../src/hand-over.ts";

const seen = (count: number, changed: Partial<SecondSeen> = {}): SecondSeen[] =>
  Array.from({ length: count }, () => ({
    promptTokens: 3_000,
    cachedTokens: 2_992,
    latencyMs: 30,
    rowMs: 20_000,
    ...changed,
  }));

describe("hand over", () => {
  test("fewer than 50 second requests say nothing, however dear", () => {
    const dear = { cachedTokens: 0, latencyMs: 9_000, rowMs: 10_000 };
    expect(whyHandOver(seen(49, dear), 16)).toBeNull();
    expect(whyHandOver(seen(50, dear), 16)).toContain("3000 tokens again (median of 50)");
    expect(whyHandOver(seen(49, { ...dear, cachedTokens: null }), 16)).toBeNull();
    expect(whyHandOver(seen(50, { ...dear, cachedTokens: null }), 16)).toContain("9000 of a row's 10000 ms");
  });

  test.each([
    [16, 32, false],
    [16, 33, true],
    [128, 256, false],
    [128, 257, true],
    // a block that the engine does not tell is vLLM's own
    [null, 32, false],
    [null, 33, true],
  ])("blocks of %p, %p tokens computed again: %p", (block, again, hands) => {
    expect(whyHandOver(seen(60, { cachedTokens: 3_000 - again }), block) !== null).toBe(hands);
  });

  test("a short prompt of which no block is full is no reason, though nothing of it is cached", () => {
    expect(whyHandOver(seen(60, { promptTokens: 115, cachedTokens: 0 }), 128)).toBeNull();
  });

  test("the median decides: half of the rows may be recomputed, one more not", () => {
    const lost = { cachedTokens: 0 };
    expect(whyHandOver([...seen(50, lost), ...seen(50)], 16)).toBeNull();
    expect(whyHandOver([...seen(51, lost), ...seen(49)], 16)).not.toBeNull();
  });

  test("told cached tokens outweigh the time; without them a tenth of the row's time is allowed", () => {
    expect(whyHandOver(seen(60, { latencyMs: 19_000 }), 16)).toBeNull();
    const untold = { cachedTokens: null, rowMs: 10_000 };
    expect(whyHandOver(seen(60, { ...untold, latencyMs: 1_000 }), 16)).toBeNull();
    expect(whyHandOver(seen(60, { ...untold, latencyMs: 1_001 }), 16)).toContain("more than 10 %");
  });

  test("what is further back than the window is forgotten", () => {
    const lost = seen(seenWindow, { cachedTokens: 0 });
    expect(whyHandOver([...lost, ...seen(seenWindow)], 16)).toBeNull();
    expect(whyHandOver([...seen(seenWindow), ...lost], 16)).not.toBeNull();
  });
});
