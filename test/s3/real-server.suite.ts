import { randomBytes } from "node:crypto";
import { assertAtomicStore, type ObjectStore } from "@assay/store";
import { s3ClientOptions, s3Store } from "@assay/store/s3";
import { storeContract } from "@assay/testkit";
import { CreateBucketCommand, HeadBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";

// its releases of 2027 need Node 22: nothing a test run has to say
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

// a store on the other side of the world, and 1,100 puts
jest.setTimeout(300_000);

const endpoint = process.env.S3_TEST_ENDPOINT;
if (endpoint === undefined || endpoint === "") {
  throw new Error("S3_TEST_ENDPOINT is not set: npm run test:s3 starts a server and sets it");
}
const bucket = process.env.S3_TEST_BUCKET ?? "assay-test";
/** Runs on one bucket do not meet. What they put stays there: Assay's store deletes nothing. */
const run = `${new Date().toISOString().slice(0, 10)}-${randomBytes(6).toString("hex")}`;
const region = process.env.AWS_REGION ?? "us-east-1";

/** Keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. */
const open = (): S3Client => new S3Client({ ...s3ClientOptions({ endpoint }), region });

let client: S3Client;
let roots = 0;

beforeAll(async () => {
  client = open();
  const there = await client.send(new HeadBucketCommand({ Bucket: bucket })).then(
    () => true,
    () => false,
  );
  if (!there) await client.send(new CreateBucketCommand({ Bucket: bucket }));
  process.stderr.write(`${endpoint} bucket ${bucket} prefix ${run}\n`);
});
afterAll(() => client.destroy());

function freshRoot(): string {
  roots += 1;
  return `${run}/${roots}`;
}

function storeOver(prefix: string, by: S3Client = client): ObjectStore {
  return s3Store({ client: by, bucket, prefix });
}

describe("the contract", () => {
  // more than the 1,000 keys of one page
  test.each(storeContract({ listedKeys: 1_100 }))("$name", (law) => law.run(storeOver(freshRoot())));
});

test("of 50 racers with a client each one wins, ten times", async () => {
  const clients = Array.from({ length: 50 }, open);
  const prefix = freshRoot();
  try {
    for (let round = 0; round < 10; round += 1) {
      const key = `race/${round}`;
      const results = await Promise.all(
        clients.map((by, i) => storeOver(prefix, by).putIfAbsent(key, Buffer.alloc(10_000, `racer ${i}|`))),
      );
      const winners = results.flatMap((result, i) => (result === "created" ? [i] : []));
      expect(winners).toHaveLength(1);
      const stored = Buffer.from((await storeOver(prefix).get(key))!);
      expect(stored.equals(Buffer.alloc(10_000, `racer ${winners[0]}|`))).toBe(true);
    }
  } finally {
    for (const by of clients) by.destroy();
  }
});

test("it passes the check at first use, which asks once a day", async () => {
  const store = storeOver(freshRoot());
  const random = (): string => randomBytes(8).toString("hex");
  await assertAtomicStore(store, { day: "2026-01-01", random });
  await assertAtomicStore(store, { day: "2026-01-01", random });
  const probes: string[] = [];
  for await (const { key } of store.list("_probe/")) probes.push(key);
  expect(probes).toEqual([expect.stringMatching(/^_probe\/2026-01-01-[0-9a-f]{16}$/), "_probe/2026-01-01.ok"]);
});

test("wrong keys are denied, and a bucket that is not there is said", async () => {
  const stranger = new S3Client({
    ...s3ClientOptions({ endpoint }),
    region,
    credentials: { accessKeyId: "nobody", secretAccessKey: "nobody-at-all" },
  });
  try {
    await expect(storeOver(freshRoot(), stranger).get("a")).rejects.toMatchObject({ code: "E_DENIED" });
    await expect(storeOver(freshRoot(), stranger).head("a")).rejects.toMatchObject({ code: "E_DENIED" });
  } finally {
    stranger.destroy();
  }
  const nowhere = s3Store({ client, bucket: `assay-${randomBytes(8).toString("hex")}`, prefix: "" });
  await expect(nowhere.head("a")).rejects.toMatchObject({ code: "E_DENIED" });
  await expect(nowhere.get("a")).rejects.toMatchObject({ code: "E_DENIED" });
  await expect(nowhere.putIfAbsent("a", new Uint8Array(1))).rejects.toMatchObject({ code: "E_DENIED" });
});
