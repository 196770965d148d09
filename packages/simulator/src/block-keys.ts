import { addId, hashKey, startHash } from "./hash-ids.ts";

/**
 * One key for every full block of a row's ids, each of all ids up to the block's end: equal keys, equal prefixes.
 * `salt` (cache_salt) keeps rows with another one apart.
 */
export function blockKeys(ids: readonly number[], blockSize: number, salt: string | null): number[] {
  const hash = startHash(0);
  for (const byte of Buffer.from(salt ?? "", "utf8")) addId(hash, byte);
  const keys: number[] = [];
  ids.forEach((id, i) => {
    addId(hash, id);
    if ((i + 1) % blockSize === 0) keys.push(hashKey(hash));
  });
  return keys;
}
