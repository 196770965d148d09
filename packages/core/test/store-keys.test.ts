import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  aloneKey,
  amongKey,
  batchOfOpenKey,
  checkpointKey,
  chunkOfShardKey,
  chunkPartialPrefix,
  controlKey,
  controlPrefix,
  endKey,
  jobId,
  livedKey,
  openKey,
  openPrefix,
  partialPrefix,
  queueName,
  readPartialKey,
  rowsKey,
  shardKey,
  shardPrefix,
  startKey,
} from "../src/store-keys.ts";

const seed = 20_261_125;
const batch = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,39}-[0-9a-f]{16}$/);
const chunk = fc.integer({ min: 0, max: 999_998 });
const time = fc.integer({ min: 0, max: 4_102_444_800_000 });

/** As a LIST of a store gives them: by byte, which for ASCII is by unit. */
const listed = (keys: readonly string[]): string[] => [...keys].sort();

describe("store-keys", () => {
  test(`batch and chunk come back from their keys (seed ${seed})`, () => {
    fc.assert(
      fc.property(batch, chunk, time, (name, n, ms) => {
        expect(chunkOfShardKey(shardKey(name, n))).toBe(n);
        expect(batchOfOpenKey(openKey(name, ms))).toBe(name);
      }),
      { seed },
    );
  });

  test(`an ascending LIST of the index is newest first (seed ${seed})`, () => {
    fc.assert(
      fc.property(batch, batch, time, time, (a, b, m, n) => {
        fc.pre(m !== n);
        const [first] = listed([openKey(a, m), openKey(b, n)]);
        expect(first).toBe(m > n ? openKey(a, m) : openKey(b, n));
      }),
      { seed },
    );
  });

  test(`an ascending LIST of chunks, shards and control entries is in their order (seed ${seed})`, () => {
    fc.assert(
      fc.property(batch, chunk, chunk, (name, m, n) => {
        fc.pre(m < n);
        for (const key of [rowsKey, shardKey, controlKey]) {
          const both = [key(name, m), key(name, n)];
          expect(listed([...both].reverse())).toEqual(both);
        }
      }),
      { seed },
    );
  });

  test("keys lie below their prefixes", () => {
    expect(shardKey("b", 1).startsWith(shardPrefix("b"))).toBe(true);
    expect(controlKey("b", 1).startsWith(controlPrefix("b"))).toBe(true);
    expect(openKey("b", 1).startsWith(openPrefix)).toBe(true);
  });

  test.each([
    "b/rewards/12.parquet",
    "b/rewards/0000001.parquet",
    "b/rewards/000001.parquet.tmp",
    "b/rows/000001.jsonl.gz",
    "rewards000001.parquet",
    "b/rewards/00000x.parquet",
    "b/rewards/",
  ])("%s is no shard", (key) => {
    expect(chunkOfShardKey(key)).toBeNull();
  });

  const attempt = fc.stringMatching(/^[0-9a-f]{16}$/);
  test(`what a file below partial/ is comes back from its key (seed ${seed})`, () => {
    fc.assert(
      fc.property(batch, chunk, attempt, fc.maxSafeNat(), (name, n, id, row) => {
        const told = { chunk: n, attempt: id, life: null };
        const seq = row % 1_000_000;
        expect(readPartialKey(checkpointKey(name, n, id, seq))).toEqual({ ...told, kind: "rows", n: seq });
        expect(readPartialKey(startKey(name, n, id))).toEqual({ ...told, kind: "start", n: 0 });
        expect(readPartialKey(endKey(name, n, id))).toEqual({ ...told, kind: "end", n: 0 });
        expect(readPartialKey(amongKey(name, n, id, row))).toEqual({ ...told, kind: "among", n: row });
        expect(readPartialKey(livedKey(name, n, id))).toEqual({ ...told, kind: "lived", n: 0 });
        for (const life of [null, id.slice(0, 8)])
          expect(readPartialKey(aloneKey(name, n, id, row, life))).toEqual({ ...told, kind: "alone", n: row, life });
        for (const key of [checkpointKey(name, n, id, seq), startKey(name, n, id), endKey(name, n, id)]) {
          expect(key.startsWith(chunkPartialPrefix(name, n))).toBe(true);
          expect(key.startsWith(partialPrefix(name))).toBe(true);
        }
      }),
      { seed },
    );
  });

  test.each([
    "b/partial/000001/0011.start",
    "b/partial/1/00112233445566ff.start",
    "b/partial/000001/00112233445566ff.started",
    "b/partial/000001/00112233445566ff-1.jsonl.gz",
    "b/partial/000001/00112233445566ff.alone-",
    "b/partial/000001/00112233445566ff.alone-1-",
    "b/partial/000001/00112233445566ff.alone-1-0011223",
    "b/partial/000001/00112233445566ff.among-1-00112233",
    "b/rewards/000001/00112233445566ff.start",
  ])("%s is no marker and no checkpoint", (key) => {
    expect(readPartialKey(key)).toBeNull();
  });

  test("a job id is what BullMQ takes: no colon, no plain integer", () => {
    expect(jobId("7-0123456789abcdef", 7)).toMatch(/^[^:]*[^0-9:][^:]*$/);
  });

  test("another root or another model is another queue", () => {
    const names = [queueName("r1", "a".repeat(64)), queueName("r2", "a".repeat(64)), queueName("r1", "b".repeat(64))];
    expect(new Set(names).size).toBe(3);
    expect(names[0]).toBe("assay.r1.aaaaaaaa");
  });
});
