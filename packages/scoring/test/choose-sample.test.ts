import { sha256 } from "@assay/core";
import { readOwnRecords } from "@assay/datasets";
import { memoryStore } from "@assay/testkit";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { chooseSample } from "../src/choose-sample.ts";
import { readRows } from "../src/read-rows.ts";
import { planBatch, stageBatch } from "../src/submit-batch.ts";
import { input, never, record, records, settings } from "./build-batch.ts";

const seed = 20_261_125;

/** By the words of the flag: the n ordinals whose sha256 of "seed:ordinal" is smallest. */
function byHand(total: number, size: number, by: number): number[] {
  return Array.from({ length: total }, (_, ordinal) => ({ ordinal, hash: sha256(`${by}:${ordinal}`) }))
    .sort((a, b) => (a.hash < b.hash ? -1 : 1))
    .slice(0, size)
    .map(({ ordinal }) => ordinal)
    .sort((a, b) => a - b);
}

describe("choose-sample", () => {
  test(`is the records with the smallest hashes, over all inputs, bad records included (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 60 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 80 }),
        fc.nat({ max: 5 }),
        async (files, size, by) => {
          // every third record is bad
          const text = (n: number): string =>
            Array.from({ length: n }, (_, k) => (k % 3 === 0 ? "{\n" : `${record(k)}\n`)).join("");
          const sample = await chooseSample(
            files.map((n) => input(text(n))),
            { size, seed: by },
            readOwnRecords,
          );
          const total = files.reduce((sum, n) => sum + n, 0);
          expect(sample.of).toBe(total);
          expect([...sample.chosen].sort((a, b) => a - b)).toEqual(byHand(total, size, by));
        },
      ),
      { seed, numRuns: 100 },
    );
  });

  test("a batch of a sample holds those records in input order, in both passes, and is named by them", async () => {
    const text = records(200);
    const drawn = settings({ sample: { size: 20, seed: 7 } });
    const planned = await planBatch([input(text)], drawn, readOwnRecords);
    expect(planned.file.counts).toMatchObject({ records: 20, rows: 20 });
    expect(planned.file.inputs).toMatchObject([{ records: 20 }]);
    const store = memoryStore();
    const { file } = await stageBatch(store, planned, [input(text)], drawn, readOwnRecords, { signal: never });
    const chunks = await Promise.all(file.chunks.map((_, chunk) => readRows(store, file, chunk)));
    const lines = chunks.flat().map((line) => line.input_line);
    expect(lines).toEqual(byHand(200, 20, 7).map((ordinal) => ordinal + 1));
    const another = await planBatch([input(text)], settings({ sample: { size: 20, seed: 8 } }), readOwnRecords);
    expect(another.file.batch).not.toBe(planned.file.batch);
  });

  test("a sample of more than there is, is all there is: the same batch as without one", async () => {
    const all = await planBatch([input(records(30))], settings(), readOwnRecords);
    const drawn = await planBatch([input(records(30))], settings({ sample: { size: 99, seed: 0 } }), readOwnRecords);
    expect(drawn.file.sha256).toBe(all.file.sha256);
    expect(drawn.sample?.of).toBe(30);
  });
});
