/**
 * Numbers from 0 to 2^32 - 1 that follow from the first 128 bits of a sha256 in hex alone: sfc32 of PractRand
 * (Doty-Humphrey), four words of state, 32 bits a call.
 */
export function seededUint32(sha256: string): () => number {
  const word = (n: number): number => Number.parseInt(sha256.slice(8 * n, 8 * n + 8), 16) | 0;
  let [a, b, c, counter] = [word(0), word(1), word(2), word(3)];
  return () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
}
