import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ObjectStore } from "@assay/store";
import { memoryStore, startS3Server } from "@assay/testkit";
import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { localStore } from "../src/local.ts";
import { s3Over } from "./s3-over.ts";
import { type Operation, operation, outcome } from "./store-model.ts";

const seed = 20_261_125;
const operations = fc.array(operation, { minLength: 1, maxLength: 40 });

/** Whatever is called in whatever order, both say the same. */
async function sameAsMemory(store: ObjectStore, calls: readonly Operation[]): Promise<void> {
  const model = memoryStore();
  for (const call of [...calls, { call: "list", prefix: "" } as const]) {
    expect({ call, said: await outcome(store, call) }).toEqual({ call, said: await outcome(model, call) });
  }
}

test(`a local directory says what the memory store says (seed ${seed})`, async () => {
  const folder = await mkdtemp(join(tmpdir(), "assay-store-"));
  let run = 0;
  try {
    const property = fc.asyncProperty(operations, (calls) => {
      run += 1;
      return sameAsMemory(localStore(join(folder, String(run))), calls);
    });
    await fc.assert(property, { seed, numRuns: 150 });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test(`S3 says what the memory store says (seed ${seed})`, async () => {
  const server = await startS3Server({ pageSize: 3 });
  const closers: (() => void)[] = [];
  let run = 0;
  try {
    const property = fc.asyncProperty(operations, (calls) => {
      run += 1;
      const { store, close } = s3Over(server, { prefix: `run/${run}` });
      closers.push(close);
      return sameAsMemory(store, calls);
    });
    await fc.assert(property, { seed, numRuns: 60 });
  } finally {
    for (const close of closers) close();
    await server.close();
  }
});
