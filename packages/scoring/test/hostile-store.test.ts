import { type BatchFile, isAssayError, shardPrefix } from "@assay/core";
import { decodeKeys, decodeShard } from "@assay/datasets";
import { memoryStore } from "@assay/testkit";
import { beforeAll, expect, test } from "@jest/globals";
import fc from "fast-check";
import { openBatch } from "../src/batch-context.ts";
import { findBatch, listOpenBatches } from "../src/batch-index.ts";
import { readReads } from "../src/batch-reading.ts";
import { readControl } from "../src/control-log.ts";
import { isIdle } from "../src/is-idle.ts";
import { listUnplanned } from "../src/list-unplanned.ts";
import { loadBatch } from "../src/load-batch.ts";
import { readPin } from "../src/pin-batch.ts";
import { readFamily } from "../src/read-family.ts";
import { readLedger } from "../src/read-ledger.ts";
import { readRows } from "../src/read-rows.ts";
import { verifyBatch } from "../src/verify-batch.ts";
import { model, probing, records, submit } from "./build-batch.ts";
import { startWorker } from "./start-worker.ts";
import { wipeableQueue } from "./wipeable-queue.ts";

/** A finished batch and its index; shards are damaged in verify-batch.test.ts, with a limit for decoders that spin. */
let finished: ReadonlyMap<string, Uint8Array>;
let file: BatchFile;
beforeAll(async () => {
  const store = memoryStore();
  file = await submit(store, records(40));
  expect(await startWorker({ store, queue: wipeableQueue() }).ended).toBe("idle");
  store.objects.set(
    `${file.batch}/reads.json`,
    Buffer.from('{"rows":64,"median":0,"p95":0,"may_mix":true,"pairs":[]}'),
  );
  finished = new Map(store.objects);
});

type Damage = { readonly how: string; readonly apply: (bytes: Uint8Array) => Uint8Array };

const hostile = [
  "",
  "\0",
  "\ufeff{}",
  "null",
  "[]",
  "7",
  '"x"',
  "{",
  '{"__proto__":{"state":"cancelled"}}',
  '{"format":1e400}',
  "\ud800",
].map((text): Damage => ({ how: `is ${JSON.stringify(text)}`, apply: () => Buffer.from(text) }));

const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.constantFrom(...hostile),
  fc.nat().map((at): Damage => ({ how: `cut at ${at}`, apply: (bytes) => bytes.slice(0, at % (bytes.length + 1)) })),
  fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })).map(([at, bits]): Damage => {
    const apply = (bytes: Uint8Array): Uint8Array => {
      const copy = Uint8Array.from(bytes);
      if (copy.length > 0) copy[at % copy.length] = (copy[at % copy.length] ?? 0) ^ bits;
      return copy;
    };
    return { how: `byte ${at} xor ${bits}`, apply };
  }),
  fc.uint8Array({ maxLength: 40 }).map((bytes): Damage => ({ how: `is ${bytes.length} bytes`, apply: () => bytes })),
);

test("one object of a root in any state: every reader answers or names it in an error of ours, and verify never throws another", async () => {
  const keys = [...finished.keys()].filter((key) => !key.startsWith(shardPrefix(file.batch)));
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...keys), damage, async (key, { apply }) => {
      const store = memoryStore();
      for (const [one, bytes] of finished) store.objects.set(one, bytes);
      store.objects.set(key, apply(finished.get(key) ?? new Uint8Array()));
      const { batch } = file;
      const unplanned = async (): Promise<void> => {
        for await (const _ of listUnplanned(store));
      };
      const readers: readonly (() => Promise<unknown>)[] = [
        () => loadBatch(store, batch),
        () => findBatch(store, batch),
        () => listOpenBatches(store),
        () => readControl(store, batch),
        () => readPin(store, batch),
        () => readReads(store, batch),
        () => readFamily(store, file),
        () => readLedger(store, file),
        () => isIdle(store, model, null),
        unplanned,
        ...file.chunks.map((_, chunk) => () => readRows(store, file, chunk)),
        () => openBatch({ store, decodeShard, decodeKeys }, batch, model, probing(), () => {}),
        () => verifyBatch({ store, decodeShard }, batch),
      ];
      for (const read of readers) {
        const error = await read().then(
          () => null,
          (thrown: unknown) => thrown,
        );
        if (error === null) continue;
        refused += 1;
        if (!isAssayError(error)) throw error;
        expect(error.message).not.toBe("");
      }
    }),
    { numRuns: 250 },
  );
  // the law is about something
  expect(refused).toBeGreaterThan(0);
}, 120_000);
