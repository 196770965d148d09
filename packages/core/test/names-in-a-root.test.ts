import { describe, expect, test } from "@jest/globals";
import { sha256 } from "../src/sha256.ts";
import * as storeKeys from "../src/store-keys.ts";
import { pin } from "./pin-identity.ts";

describe("identity: names in a root", () => {
  const batch = "demo-0123456789abcdef";
  const attempt = "00112233445566ff";
  const keys = {
    rootKey: [storeKeys.rootKey, "assay.json"],
    openPrefix: [storeKeys.openPrefix, "_batches/"],
    donePrefix: [storeKeys.donePrefix, "_done/"],
    openKey: [storeKeys.openKey(batch, 1_764_000_000_000), "_batches/8235999999999-demo-0123456789abcdef"],
    batchOfOpenKey: [storeKeys.batchOfOpenKey("_batches/8235999999999-demo-0123456789abcdef"), batch],
    doneKey: [storeKeys.doneKey(batch), "_done/demo-0123456789abcdef"],
    probeKey: [storeKeys.probeKey("2026-08-01", "ab12"), "_probe/2026-08-01-ab12"],
    probePassedKey: [storeKeys.probePassedKey("2026-08-01"), "_probe/2026-08-01.ok"],
    rowsKey: [storeKeys.rowsKey(batch, 123), "demo-0123456789abcdef/rows/000123.jsonl.gz"],
    batchKey: [storeKeys.batchKey(batch), "demo-0123456789abcdef/batch.json"],
    pinKey: [storeKeys.pinKey(batch), "demo-0123456789abcdef/pin.json"],
    controlPrefix: [storeKeys.controlPrefix(batch), "demo-0123456789abcdef/control/"],
    controlKey: [storeKeys.controlKey(batch, 1), "demo-0123456789abcdef/control/000001.json"],
    retriesPrefix: [storeKeys.retriesPrefix(batch), "demo-0123456789abcdef/retries/"],
    retryKey: [storeKeys.retryKey(batch, 12), "demo-0123456789abcdef/retries/0012.json"],
    retryName: [storeKeys.retryName(batch, 12), "demo-0123456789abcdef-r12"],
    parentOfRetry: [storeKeys.parentOfRetry("demo-0123456789abcdef-r12"), { batch, retry: 12 }],
    readsKey: [storeKeys.readsKey(batch), "demo-0123456789abcdef/reads.json"],
    shardPrefix: [storeKeys.shardPrefix(batch), "demo-0123456789abcdef/rewards/"],
    shardKey: [storeKeys.shardKey(batch, 999_998), "demo-0123456789abcdef/rewards/999998.parquet"],
    chunkOfShardKey: [storeKeys.chunkOfShardKey("demo-0123456789abcdef/rewards/000123.parquet"), 123],
    partialPrefix: [storeKeys.partialPrefix(batch), "demo-0123456789abcdef/partial/"],
    chunkPartialPrefix: [storeKeys.chunkPartialPrefix(batch, 123), "demo-0123456789abcdef/partial/000123/"],
    checkpointKey: [
      storeKeys.checkpointKey(batch, 123, attempt, 7),
      "demo-0123456789abcdef/partial/000123/00112233445566ff-000007.jsonl.gz",
    ],
    startKey: [storeKeys.startKey(batch, 123, attempt), "demo-0123456789abcdef/partial/000123/00112233445566ff.start"],
    endKey: [storeKeys.endKey(batch, 123, attempt), "demo-0123456789abcdef/partial/000123/00112233445566ff.end"],
    livedKey: [storeKeys.livedKey(batch, 123, attempt), "demo-0123456789abcdef/partial/000123/00112233445566ff.lived"],
    amongKey: [
      storeKeys.amongKey(batch, 123, attempt, 31_500),
      "demo-0123456789abcdef/partial/000123/00112233445566ff.among-31500",
    ],
    aloneKey: [
      [storeKeys.aloneKey(batch, 123, attempt, 31_500, null), storeKeys.aloneKey(batch, 123, attempt, 7, "89abcdef")],
      [
        "demo-0123456789abcdef/partial/000123/00112233445566ff.alone-31500",
        "demo-0123456789abcdef/partial/000123/00112233445566ff.alone-7-89abcdef",
      ],
    ],
    readPartialKey: [
      storeKeys.readPartialKey("demo-0123456789abcdef/partial/000123/00112233445566ff.alone-31500-89abcdef"),
      { attempt, chunk: 123, kind: "alone", n: 31_500, life: "89abcdef" },
    ],
    summaryKey: [storeKeys.summaryKey(batch), "demo-0123456789abcdef/summary.json"],
    successKey: [storeKeys.successKey(batch), "demo-0123456789abcdef/_SUCCESS"],
    jobId: [storeKeys.jobId(batch, 123), "demo-0123456789abcdef.c000123"],
    queueName: [storeKeys.queueName("00112233445566ff", sha256("judge")), "assay.00112233445566ff.10e86c65"],
    maxChunks: [storeKeys.maxChunks, 999_999],
  } satisfies { [name in keyof typeof storeKeys]: unknown };

  test.each(Object.entries(keys))("%s", (_name, [now, expected]) => {
    pin(now, expected);
  });

  test("every name that the module spells is pinned here", () => {
    expect(Object.keys(keys).sort()).toEqual(Object.keys(storeKeys).sort());
  });
});
