import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { parseRows } from "../src/parse-rows.ts";
import { chunkTarget, createChunker, maxChunkBytes, type PlannedChunk } from "../src/plan-batch.ts";
import { rowCount, serialiseLine } from "../src/record-lines.ts";
import type { RowsLine } from "../src/row.ts";
import { sha256 } from "../src/sha256.ts";

const seed = 20_261_125;

/** A response with so many principles, or (0) a bad record. */
function buildLine(rowIndex: number, principles: number, response = "r"): RowsLine {
  const place = { row_index: rowIndex, id: `a:${rowIndex}`, input: "a.jsonl", input_line: rowIndex + 1 };
  if (principles === 0) return { ...place, bad: "invalid_json", at: 0 };
  return {
    ...place,
    group: "g",
    response_index: 0,
    messages: [{ role: "user", content: "q \u{1f600}" }],
    response,
    principles: Array.from({ length: principles }, (_, i) => ({
      row_index: rowIndex + i,
      principle_index: i,
      text: "p",
    })),
    carried: null,
  };
}

/** Lines one behind the other, their row_index counted on. */
function buildLines(principles: readonly number[]): RowsLine[] {
  let rowIndex = 0;
  return principles.map((count) => {
    const line = buildLine(rowIndex, count);
    rowIndex += rowCount(line);
    return line;
  });
}

function chunksOf(lines: readonly RowsLine[]): PlannedChunk[] {
  const chunker = createChunker();
  return [...lines.flatMap((line) => chunker.push(line)), ...chunker.end()];
}

/** Enough lines that all three targets come up, now and then. */
const somePrinciples = fc.oneof(
  fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 80 }),
  fc.array(fc.constantFrom(0, 15, 16, 17, 64), { maxLength: 300, size: "max" }),
);

describe("plan-batch: laws", () => {
  test(`lines in are lines out, in order, each once; rows are counted and row_start goes on (seed ${seed})`, () => {
    fc.assert(
      fc.property(somePrinciples, (principles) => {
        const lines = buildLines(principles);
        const chunks = chunksOf(lines);
        const cut = chunks.map(({ bytes }) => new TextDecoder().decode(bytes)).join("");
        expect(cut === lines.map(serialiseLine).join("")).toBe(true);
        let rowStart = 0;
        for (const [i, chunk] of chunks.entries()) {
          const inside = parseRows(chunk.bytes);
          expect(chunk.chunk).toBe(i);
          expect(chunk.rowStart).toBe(rowStart);
          expect(inside[0]?.row_index).toBe(rowStart);
          expect(chunk.rows).toBe(inside.reduce((sum, line) => sum + rowCount(line), 0));
          expect(chunk.sha256).toBe(sha256(chunk.bytes));
          rowStart += chunk.rows;
        }
        expect(rowStart).toBe(lines.reduce((sum, line) => sum + rowCount(line), 0));
      }),
      { seed, numRuns: 40 },
    );
  });

  test(`a chunk ends at the first response that brings it to its target, the last one anywhere (seed ${seed})`, () => {
    fc.assert(
      fc.property(somePrinciples, (principles) => {
        const chunks = chunksOf(buildLines(principles));
        for (const { chunk, bytes, rows } of chunks) {
          const last = parseRows(bytes).at(-1);
          if (last === undefined) throw new Error("a chunk without a line");
          expect(rows - rowCount(last)).toBeLessThan(chunkTarget(chunk));
          if (chunk < chunks.length - 1) expect(rows).toBeGreaterThanOrEqual(chunkTarget(chunk));
        }
      }),
      { seed, numRuns: 40 },
    );
  });

  test(`what comes later changes nothing of a closed chunk, and each is handed over once closed (seed ${seed})`, () => {
    fc.assert(
      fc.property(somePrinciples, fc.nat(), (principles, cut) => {
        const lines = buildLines(principles);
        const all = chunksOf(lines);
        const chunker = createChunker();
        const some = lines.slice(0, cut % (lines.length + 1));
        const closed = some.flatMap((line) => chunker.push(line));
        expect(closed.map((chunk) => chunk.sha256)).toEqual(all.slice(0, closed.length).map((chunk) => chunk.sha256));
        // what is held back is one chunk at most
        const held = chunker.end();
        expect(held.length).toBeLessThanOrEqual(1);
        const rows = [...closed, ...held].reduce((sum, chunk) => sum + chunk.rows, 0);
        expect(rows).toBe(some.reduce((sum, line) => sum + rowCount(line), 0));
      }),
      { seed, numRuns: 40 },
    );
  });
});

describe("plan-batch: targets", () => {
  test.each([
    [0, 16],
    [63, 16],
    [64, 64],
    [127, 64],
    [128, 256],
    [999_998, 256],
  ])("chunk %i aims at %i rows", (chunk, target) => {
    expect(chunkTarget(chunk)).toBe(target);
  });

  test("single rows fill every chunk to its target exactly", () => {
    const rows = 64 * 16 + 64 * 64 + 2 * 256 + 3;
    const chunks = chunksOf(buildLines(Array.from({ length: rows }, () => 1)));
    expect(chunks).toHaveLength(131);
    expect(chunks.map((chunk) => chunk.rows)).toEqual(
      Array.from({ length: 131 }, (_, i) => (i === 130 ? 3 : chunkTarget(i))),
    );
  });

  test("a GRPO step of 1,000 rows is 63 chunks", () => {
    expect(chunksOf(buildLines(Array.from({ length: 250 }, () => 4)))).toHaveLength(63);
  });

  test("no lines are no chunks", () => {
    expect(chunksOf([])).toEqual([]);
  });
});

describe("plan-batch: 16 MiB", () => {
  /** A line of one row whose serialised form has exactly so many bytes. */
  function buildSized(rowIndex: number, bytes: number): RowsLine {
    const rest = serialisedBytes(buildLine(rowIndex, 1, ""));
    return buildLine(rowIndex, 1, "x".repeat(bytes - rest));
  }
  const serialisedBytes = (line: RowsLine): number => new TextEncoder().encode(serialiseLine(line)).length;
  const cuts = (sizes: readonly number[]): number[][] =>
    chunksOf(sizes.map((size, i) => buildSized(i, size))).map(({ bytes }) =>
      parseRows(bytes).map(({ row_index }) => row_index),
    );
  const half = maxChunkBytes / 2;

  test.each<[string, number[], number[][]]>([
    ["exactly the limit is inside", [half, half, 300], [[0, 1], [2]]],
    ["one byte more is not", [half, half + 1, 300], [[0], [1, 2]]],
    ["a larger line stands alone", [300, maxChunkBytes + 1, 300], [[0], [1], [2]]],
    ["as the first and the last, too", [maxChunkBytes + 1, maxChunkBytes + 1], [[0], [1]]],
    ["a line of just the limit may still be joined by none", [maxChunkBytes, 300], [[0], [1]]],
  ])("%s", (_name, sizes, expected) => {
    expect(cuts(sizes)).toEqual(expected);
  });

  test("a larger line is handed over at once, with what stood before it", () => {
    const chunker = createChunker();
    expect(chunker.push(buildLine(0, 1))).toEqual([]);
    const closed = chunker.push(buildLine(1, 1, "x".repeat(maxChunkBytes)));
    expect(closed.map(({ chunk, rows, rowStart }) => [chunk, rows, rowStart])).toEqual([
      [0, 1, 0],
      [1, 1, 1],
    ]);
    expect(chunker.end()).toEqual([]);
  });

  test("bytes are counted, not characters", () => {
    const text = "\u65e5".repeat(Math.ceil(maxChunkBytes / 3 / 2));
    expect(chunksOf([buildLine(0, 1, text), buildLine(1, 1, text)])).toHaveLength(2);
  });

  test("the chunk around a large line goes on counting with its own number", () => {
    const large = buildLine(1, 1, "x".repeat(maxChunkBytes));
    const chunks = chunksOf([buildLine(0, 1), large, ...Array.from({ length: 17 }, (_, i) => buildLine(2 + i, 1))]);
    expect(chunks.map(({ chunk, rows, rowStart }) => [chunk, rows, rowStart])).toEqual([
      [0, 1, 0],
      [1, 1, 1],
      [2, 16, 2],
      [3, 1, 18],
    ]);
  });
});
