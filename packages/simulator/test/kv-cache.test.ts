import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { blockKeys } from "../src/block-keys.ts";
import { createKvCache } from "../src/kv-cache.ts";

const ids = (length: number, first = 0): number[] => Array.from({ length }, (_, i) => first + i);
const keys = (list: readonly number[]) => blockKeys(list, 4, null);

describe("kv-cache", () => {
  test("a row with the same beginning takes the full blocks over, but never its last token", () => {
    const kv = createKvCache(100, 4);
    expect(kv.admit(1, keys(ids(12)), 12)).toBe(0);
    // 12 tokens are three full blocks; one token must be computed, so two blocks at most
    expect(kv.admit(2, keys(ids(12)), 12)).toBe(8);
    expect(kv.admit(3, keys(ids(13)), 13)).toBe(12);
    expect(kv.admit(4, keys([...ids(6), 99, ...ids(6)]), 13)).toBe(4);
    expect(kv.admit(5, keys(ids(13, 1)), 13)).toBe(0);
  });

  test("cached blocks outlive their row and are counted once while two rows hold them", () => {
    const kv = createKvCache(100, 4);
    kv.admit(1, keys(ids(8)), 8);
    kv.release(1);
    expect(kv.usedBlocks).toBe(0);
    expect(kv.admit(2, keys(ids(9)), 9)).toBe(8);
    expect(kv.admit(3, keys(ids(9)), 9)).toBe(8);
    expect(kv.usedBlocks).toBe(4);
  });

  test("what a row wrote is found by the row that continues it", () => {
    const kv = createKvCache(100, 4);
    kv.admit(1, keys(ids(20)), 6);
    expect(kv.grow(1, 20)).toBe(true);
    kv.release(1);
    expect(kv.admit(2, keys(ids(19)), 19)).toBe(16);
  });

  test("the longest unused block goes first, and of one row the last block", () => {
    const kv = createKvCache(6, 4);
    kv.admit(1, keys(ids(12)), 12);
    kv.release(1);
    kv.admit(2, keys(ids(12, 500)), 12);
    kv.release(2);
    // one block more than the fresh ones: takes row 1's last
    expect(kv.admit(3, keys(ids(4, 900)), 4)).toBe(0);
    // row 2's blocks are all there; the one it computes again takes row 1's second
    expect(kv.admit(4, keys(ids(12, 500)), 12)).toBe(8);
    kv.release(4);
    expect(kv.admit(5, keys(ids(9)), 9)).toBe(4);
  });

  test("a row that does not fit changes nothing; what is held is never taken", () => {
    const kv = createKvCache(4, 4);
    expect(kv.admit(1, keys(ids(12)), 12)).toBe(0);
    expect(kv.admit(2, keys(ids(8, 500)), 8)).toBeNull();
    expect(kv.grow(1, 16)).toBe(true);
    expect(kv.grow(1, 17)).toBe(false);
    expect(kv.usedBlocks).toBe(4);
    kv.release(1);
    expect(kv.usedBlocks).toBe(0);
  });

  test("another cache_salt shares nothing", () => {
    const kv = createKvCache(100, 4);
    kv.admit(1, blockKeys(ids(12), 4, null), 12);
    expect(kv.admit(2, blockKeys(ids(12), 4, "x"), 12)).toBe(0);
  });

  test("blocks are conserved, whatever is asked", () => {
    const step = fc.record({
      row: fc.nat(5),
      tokens: fc.integer({ min: 1, max: 30 }),
      what: fc.nat(2),
      first: fc.nat(2),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const kv = createKvCache(12, 4);
        const held = new Map<number, number>();
        for (const { row, tokens, what, first } of steps) {
          const has = held.get(row);
          if (what === 0 && has === undefined && kv.admit(row, keys(ids(40, first * 1_000)), tokens) !== null)
            held.set(row, tokens);
          if (what === 1 && has !== undefined && tokens > has && kv.grow(row, tokens)) held.set(row, tokens);
          if (what === 2) {
            kv.release(row);
            held.delete(row);
          }
          const needs = [...held.values()].map((count) => Math.ceil(count / 4));
          // shared blocks count once, so the sum is a bound
          expect(kv.usedBlocks).toBeLessThanOrEqual(
            Math.min(
              12,
              needs.reduce((sum, need) => sum + need, 0),
            ),
          );
          expect(kv.usedBlocks).toBeGreaterThanOrEqual(Math.max(0, ...needs));
        }
        for (const row of held.keys()) kv.release(row);
        expect(kv.usedBlocks).toBe(0);
        expect(kv.admit(99, keys(ids(48, 9_000)), 48)).toBe(0);
      }),
    );
  });
});
