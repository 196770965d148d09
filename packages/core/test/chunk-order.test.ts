import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { chunksInOrder, permuteChunks } from "../src/chunk-order.ts";
import { sha256 } from "../src/sha256.ts";

const seed = 20_261_125;
const ascending = (length: number): number[] => [...Array(length).keys()];
const batch = (length: number, order: "mixed" | "file" = "mixed", hash = sha256("batch")) => ({
  sha256: hash,
  order,
  chunks: { length },
});

describe("chunk-order", () => {
  test(`a permutation: every chunk once, whatever the batch (seed ${seed})`, () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(3_000), (text, length) => {
        expect([...permuteChunks(sha256(text), length)].sort((a, b) => a - b)).toEqual(ascending(length));
      }),
      { seed, numRuns: 200 },
    );
  });

  test("of a batch as large as they come, too", () => {
    const order = permuteChunks(sha256("large"), 999_999);
    const seen = new Uint8Array(order.length);
    for (const chunk of order) seen[chunk] = 1;
    expect(seen.every((one) => one === 1)).toBe(true);
  });

  test("the same batch has the same order everywhere and for ever; another batch another one", () => {
    // workers of two versions serve one batch: these numbers never change
    expect([...permuteChunks(sha256("batch"), 12)]).toEqual([11, 3, 10, 0, 5, 7, 6, 1, 8, 2, 9, 4]);
    expect(chunksInOrder(batch(500))).toEqual(chunksInOrder(batch(500)));
    expect(chunksInOrder(batch(500))).not.toEqual(chunksInOrder(batch(500, "mixed", sha256("other"))));
  });

  test.each([
    ["100 chunks", batch(100)],
    ["one chunk", batch(1)],
    ["--order file", batch(5_000, "file")],
  ])("file order: %s", (_name, one) => {
    expect([...chunksInOrder(one)]).toEqual(ascending(one.chunks.length));
  });

  test("from 101 chunks on mixed", () => {
    expect([...chunksInOrder(batch(101))]).not.toEqual(ascending(101));
  });

  test(`what is done at any time is a fair sample: of 40 parts of the file none is behind (seed ${seed})`, () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 10, max: 90 }), (text, percent) => {
        const done = chunksInOrder(batch(40_000, "mixed", sha256(text))).subarray(0, 400 * percent);
        const parts = new Uint32Array(40);
        for (const chunk of done) parts[Math.floor(chunk / 1_000)]! += 1;
        // five standard deviations of drawing without putting back
        const deviation = Math.sqrt(1_000 * (percent / 100) * (1 - percent / 100));
        for (const part of parts) expect(Math.abs(part - 10 * percent)).toBeLessThan(5 * deviation);
      }),
      { seed, numRuns: 30 },
    );
  });
});
