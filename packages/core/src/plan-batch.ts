import { AssayError } from "./error.ts";
import { rowCount, serialiseLine } from "./record-lines.ts";
import type { RowsLine } from "./row.ts";
import { sha256 } from "./sha256.ts";
import { maxChunks } from "./store-keys.ts";

/** A chunk as it is staged: the uncompressed bytes of rows/ and their hash. */
export interface PlannedChunk {
  readonly chunk: number;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly rows: number;
  /** row_index of its first row */
  readonly rowStart: number;
}

/** Uncompressed bytes beyond which a chunk is closed early: a worker holds several chunks at once. */
export const maxChunkBytes: number = 16 * 1024 * 1024;

/**
 * Rows a chunk aims at. Small at first, so that a GRPO step of 1,000 rows spreads over a fleet; 256 later, so that
 * ten million rows are 39,000 chunks and a lost chunk is minutes of one engine.
 */
export function chunkTarget(chunk: number): number {
  return chunk < 64 ? 16 : chunk < 128 ? 64 : 256;
}

export interface Chunker {
  /** Takes the next line; returns the chunks that this closed, none, one, or two around a line that stands alone. */
  push(line: RowsLine): PlannedChunk[];
  /** The rest. */
  end(): PlannedChunk[];
}

/**
 * Cuts lines into chunks (FORMATS, "Order"): a chunk is closed after the response that brings it to its target, or
 * before the line that would pass 16 MiB; a larger line stands alone. A pure function of the lines. Memory: one
 * chunk. Throws E_INPUT_TOO_LARGE beyond 999,999 chunks.
 */
export function createChunker(): Chunker {
  let chunk = 0;
  let rowStart = 0;
  let rows = 0;
  let bytes = 0;
  let lines: Uint8Array[] = [];
  const encoder = new TextEncoder();

  function close(): PlannedChunk[] {
    if (rows === 0) return [];
    if (chunk >= maxChunks) {
      throw new AssayError("E_INPUT_TOO_LARGE", "the input is too large for one batch", {
        expected: `at most ${maxChunks} chunks`,
        got: `more, at row ${rowStart}`,
      });
    }
    const joined = new Uint8Array(bytes);
    let at = 0;
    for (const line of lines) {
      joined.set(line, at);
      at += line.length;
    }
    const closed = { chunk, bytes: joined, sha256: sha256(joined), rows, rowStart };
    chunk += 1;
    rows = 0;
    bytes = 0;
    lines = [];
    return [closed];
  }

  return {
    push(line) {
      const encoded = encoder.encode(serialiseLine(line));
      const closed = bytes + encoded.length > maxChunkBytes ? close() : [];
      if (rows === 0) rowStart = line.row_index;
      lines.push(encoded);
      bytes += encoded.length;
      rows += rowCount(line);
      if (rows >= chunkTarget(chunk) || bytes > maxChunkBytes) closed.push(...close());
      return closed;
    },
    end: close,
  };
}
