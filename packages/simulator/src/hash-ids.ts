/**
 * A running 64-bit hash of token ids in two 32-bit halves: the same ids in the same order give the same numbers, on any
 * machine, and adding one id is a few multiplications. Everything the simulated model decides comes from it. Not for
 * security.
 */
export interface IdHash {
  a: number;
  b: number;
}

// named once: inside a vm context, where tests run, each look at a global costs a microsecond
const { imul } = Math;

export function startHash(seed: number): IdHash {
  return { a: scramble(seed ^ 0x9e3779b9), b: scramble(imul(seed, 0x85ebca6b) ^ 0x27d4eb2f) };
}

/** Adds one id in place. */
export function addId(hash: IdHash, id: number): void {
  hash.a = imul(hash.a ^ id, 0x01000193);
  hash.a ^= hash.a >>> 15;
  hash.b = imul(hash.b + id + 1, 0x9e3779b1);
  hash.b ^= hash.b >>> 13;
}

/** A number in [0, 1) from the hash; other `salt`, other number. */
export function uniform(hash: Readonly<IdHash>, salt: number): number {
  const high = scramble(hash.a ^ imul(salt + 1, 0xc2b2ae35));
  const low = scramble(hash.b ^ high);
  return ((high >>> 6) * 2 ** 27 + (low >>> 5)) / 2 ** 53;
}

/** A standard normal number from the hash (Box and Muller). Takes the salts `salt` and `salt + 1`. */
export function normal(hash: Readonly<IdHash>, salt: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - uniform(hash, salt)));
  return radius * Math.cos(2 * Math.PI * uniform(hash, salt + 1));
}

/** The hash as one whole number of 53 bits: a key for maps. */
export function hashKey(hash: Readonly<IdHash>): number {
  return (hash.a >>> 0) * 2 ** 21 + (hash.b >>> 11);
}

/** murmur3's finaliser: every input bit reaches every output bit. */
function scramble(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
