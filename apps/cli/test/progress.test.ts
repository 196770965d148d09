import { describe, expect, test } from "@jest/globals";
import { createSpeed, progressText, workerText } from "../src/progress.ts";

describe("speed", () => {
  test("is unknown until three chunks and five seconds have passed", () => {
    const speed = createSpeed(0, 0);
    speed.add(1_000, 10);
    speed.add(2_000, 20);
    expect(speed.rowsPerSecond(60_000)).toBeNull();
    speed.add(3_000, 30);
    expect(speed.rowsPerSecond(4_999)).toBeNull();
    expect(speed.rowsPerSecond(6_000)).toBe(5);
  });

  test("counts what was done here, not what a batch that goes on had before", () => {
    const speed = createSpeed(0, 1_000);
    for (let i = 1; i <= 10; i += 1) speed.add(i * 1_000, 1_000 + i * 20);
    expect(speed.rowsPerSecond(10_000)).toBe(20);
  });

  test("forgets what is older than five minutes", () => {
    const speed = createSpeed(0, 0);
    for (let i = 1; i <= 10; i += 1) speed.add(i * 1_000, i * 1_000);
    for (let i = 1; i <= 400; i += 1) speed.add(10_000 + i * 1_000, 10_000 + i);
    expect(speed.rowsPerSecond(410_000)).toBeCloseTo(1, 1);
  });

  test("falls while nothing comes", () => {
    const speed = createSpeed(0, 0);
    for (let i = 1; i <= 5; i += 1) speed.add(i * 1_000, i * 100);
    expect(speed.rowsPerSecond(10_000)).toBe(50);
    expect(speed.rowsPerSecond(100_000)).toBe(5);
  });
});

describe("progress", () => {
  test("says what is known", () => {
    const seen = { rows: 612_340, total: 1_000_000, failed: 12, rowsPerSecond: 184.2 };
    expect(progressText("scoring", seen)).toBe(
      "scoring  612,340/1,000,000 rows  61 %  184 rows/s  failed 12  ETA 35 min 5 s",
    );
    expect(progressText("scoring", { ...seen, rowsPerSecond: null })).toBe(
      "scoring  612,340/1,000,000 rows  61 %  failed 12  ETA warming up",
    );
  });

  test("rounds down: 100 % is the end and nothing else", () => {
    expect(progressText("scoring", { rows: 999, total: 1_000, failed: 0, rowsPerSecond: null })).toContain("99 %");
    expect(progressText("scoring", { rows: 1_000, total: 1_000, failed: 0, rowsPerSecond: 3.21 })).toBe(
      "scoring  1,000/1,000 rows  100 %  3.2 rows/s  failed 0",
    );
  });

  test("promises no end while nothing moves", () => {
    expect(progressText("waiting", { rows: 1, total: 2, failed: null, rowsPerSecond: 0 })).toBe(
      "waiting  1/2 rows  50 %  0 rows/s  ETA warming up",
    );
  });

  test("of a worker", () => {
    expect(workerText({ rows: 256, chunks: 1, failed: 2, rowsPerSecond: null })).toBe(
      "scored 256 rows in 1 chunk  failed 2",
    );
  });
});
