/**
 * vLLM's KV blocks as a pure model: no time, no ids of its own making. Blocks of a row that ended stay filled, keyed by
 * the hash of everything up to their end, until they are needed: the longest unused goes first, and of one row the last
 * block first. A row that begins with the same tokens takes them over.
 */
export interface KvCache {
  readonly totalBlocks: number;
  /** blocks held by running rows */
  readonly usedBlocks: number;

  /**
   * Blocks for the first `tokens` tokens of a row. `keys` are the keys of its full blocks (`blockKeys`), of the tokens
   * to come, too. Returns how many tokens were found in the cache (whole blocks; never all of them, since the last
   * token must be computed), or null, with nothing changed, when there are not enough blocks.
   */
  admit(row: number, keys: readonly number[], tokens: number): number | null;

  /** Blocks for the row's first `tokens` tokens, more than before. false, with nothing changed, when there is none. */
  grow(row: number, tokens: number): boolean;

  /** The row ended or was preempted: its blocks may be taken by others. */
  release(row: number): void;
}

interface Held {
  readonly keys: readonly number[];
  readonly blocks: number[];
  /** leading blocks that are full and were offered to the cache */
  keyed: number;
}

export function createKvCache(totalBlocks: number, blockSize: number): KvCache {
  const held = new Map<number, Held>();
  const holders = new Int32Array(totalBlocks);
  const blockOfKey = new Map<number, number>();
  const keyOfBlock = new Map<number, number>();
  /** blocks without a holder, longest unused first */
  const unused = new Set<number>();
  /** blocks from here on were never used */
  let fresh = 0;

  const free = (): number => totalBlocks - fresh + unused.size;

  function take(): number {
    if (fresh < totalBlocks) return fresh++;
    const [block] = unused;
    if (block === undefined) throw new Error("kv-cache: no free block, and nobody looked before");
    unused.delete(block);
    const key = keyOfBlock.get(block);
    if (key !== undefined) blockOfKey.delete(key);
    keyOfBlock.delete(block);
    return block;
  }

  function hold(row: Held, block: number): void {
    holders[block] = (holders[block] ?? 0) + 1;
    row.blocks.push(block);
  }

  /** A block whose tokens another block holds already stays without key: both rows were computed at once. */
  function offerFullBlocks(row: Held, tokens: number): void {
    for (; (row.keyed + 1) * blockSize <= tokens; row.keyed += 1) {
      const block = row.blocks[row.keyed];
      const key = row.keys[row.keyed];
      if (block === undefined || key === undefined || blockOfKey.has(key)) continue;
      blockOfKey.set(key, block);
      keyOfBlock.set(block, key);
    }
  }

  function findCached(keys: readonly number[], tokens: number): number[] {
    const found: number[] = [];
    const most = Math.floor((tokens - 1) / blockSize);
    for (let i = 0; i < most; i += 1) {
      const block = blockOfKey.get(keys[i] ?? Number.NaN);
      if (block === undefined) break;
      found.push(block);
    }
    return found;
  }

  return {
    totalBlocks,
    get usedBlocks() {
      return totalBlocks - free();
    },
    admit(row, keys, tokens) {
      const cached = findCached(keys, tokens);
      const missing = Math.ceil(tokens / blockSize) - cached.length;
      const idle = cached.filter((block) => unused.has(block)).length;
      if (missing > free() - idle) return null;
      const entry: Held = { keys, blocks: [], keyed: cached.length };
      for (const block of cached) {
        unused.delete(block);
        hold(entry, block);
      }
      for (let i = 0; i < missing; i += 1) hold(entry, take());
      offerFullBlocks(entry, tokens);
      held.set(row, entry);
      return cached.length * blockSize;
    },
    grow(row, tokens) {
      const entry = held.get(row);
      if (entry === undefined) throw new Error(`kv-cache: row ${row} holds nothing`);
      const missing = Math.ceil(tokens / blockSize) - entry.blocks.length;
      if (missing > free()) return false;
      for (let i = 0; i < missing; i += 1) hold(entry, take());
      offerFullBlocks(entry, tokens);
      return true;
    },
    release(row) {
      for (const block of held.get(row)?.blocks.toReversed() ?? []) {
        const left = (holders[block] ?? 0) - 1;
        holders[block] = left;
        if (left === 0) unused.add(block);
      }
      held.delete(row);
    },
  };
}
