/** Where a result stands: the number of its shard over all batches of the table, and its place in it. */
export interface KeyPlace {
  readonly shard: number;
  readonly row: number;
}

export interface KeyTable {
  readonly size: number;
  /** The first place of a key stays; adding it again changes nothing. `rowKey` is 64 hex digits. */
  add(rowKey: string, place: KeyPlace): void;
  find(rowKey: string): KeyPlace | null;
}

/** Words of 32 bits of a key that are kept: 128 bits, so that two of 10M keys meet with a chance of 1e-25. */
const keptWords = 4;
/** Shard and row, after the key. A shard number of 0 marks a free slot. */
const slotWords = keptWords + 2;

/**
 * row_key to place for millions of keys: open addressing in one array, 24 bytes a slot and at most 0.7 of them taken
 * (10M keys: 403 MB; a Map of as many strings takes several GB). `expected` is how many keys may come; more throw
 * RangeError. The caller compares the whole key with the row that it finds.
 */
export function createKeyTable(expected: number): KeyTable {
  const slots = 2 ** Math.ceil(Math.log2(Math.max(16, expected / 0.7)));
  const words = new Uint32Array(slots * slotWords);
  const wanted = new Uint32Array(keptWords);
  let size = 0;

  /** The slot of the key, or the free one where it would stand. */
  function slotOf(rowKey: string): number {
    for (let i = 0; i < keptWords; i += 1) wanted[i] = Number.parseInt(rowKey.slice(8 * i, 8 * i + 8), 16);
    // a sha256 is random as it is
    let at = (wanted[0] ?? 0) & (slots - 1);
    while (words[at * slotWords + keptWords] !== 0 && !isHere(at)) at = (at + 1) & (slots - 1);
    return at * slotWords;
  }

  function isHere(at: number): boolean {
    for (let i = 0; i < keptWords; i += 1) if (words[at * slotWords + i] !== wanted[i]) return false;
    return true;
  }

  return {
    get size() {
      return size;
    },
    add(rowKey, { shard, row }) {
      const at = slotOf(rowKey);
      if (words[at + keptWords] !== 0) return;
      if (size >= expected) throw new RangeError(`a table for ${expected} keys is given more`);
      words.set(wanted, at);
      words[at + keptWords] = shard + 1;
      words[at + keptWords + 1] = row;
      size += 1;
    },
    find(rowKey) {
      const at = slotOf(rowKey);
      const shard = words[at + keptWords] ?? 0;
      return shard === 0 ? null : { shard: shard - 1, row: words[at + keptWords + 1] ?? 0 };
    },
  };
}
