import { Readable } from "node:stream";
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { type S3Server, startS3Server } from "../src/index.ts";

// its releases of 2027 need Node 22: nothing a test run has to say
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

let server: S3Server;
let client: S3Client;

beforeEach(async () => {
  server = await startS3Server({ pageSize: 2 });
  // the SDK's own defaults, checksums and trailers included
  client = new S3Client({
    endpoint: server.url,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: "any", secretAccessKey: "any" },
  });
});
afterEach(async () => {
  client.destroy();
  await server.close();
});

const Bucket = "assay-test";

test("a streamed body comes in aws-chunked framing and is stored without it", async () => {
  const bytes = Buffer.alloc(300_000, "stream ");
  const Body = Readable.from([bytes.subarray(0, 100_000), bytes.subarray(100_000)]);
  await client.send(new PutObjectCommand({ Bucket, Key: "s", Body, ContentLength: bytes.length }));
  expect(server.buckets.get(Bucket)?.get("s")?.bytes.equals(bytes)).toBe(true);
});

test("metadata, size and ETag come back; a range goes on from its offset; another ETag is refused", async () => {
  await client.send(new PutObjectCommand({ Bucket, Key: "k", Body: "hello", Metadata: { "assay-put": "1" } }));
  const head = await client.send(new HeadObjectCommand({ Bucket, Key: "k" }));
  expect(head).toMatchObject({ ContentLength: 5, Metadata: { "assay-put": "1" } });
  const rest = await client.send(new GetObjectCommand({ Bucket, Key: "k", Range: "bytes=2-", IfMatch: head.ETag }));
  expect([rest.ContentRange, await rest.Body?.transformToString()]).toEqual(["bytes 2-4/5", "llo"]);
  await expect(client.send(new GetObjectCommand({ Bucket, Key: "k", IfMatch: '"other"' }))).rejects.toMatchObject({
    name: "PreconditionFailed",
  });
  await client.send(new DeleteObjectCommand({ Bucket, Key: "k" }));
  await expect(client.send(new GetObjectCommand({ Bucket, Key: "k" }))).rejects.toMatchObject({ name: "NoSuchKey" });
});

test("the condition is honoured, and errors have S3's names", async () => {
  const put = { Bucket, Key: "k", Body: "x", IfNoneMatch: "*" };
  await client.send(new PutObjectCommand(put));
  await expect(client.send(new PutObjectCommand(put))).rejects.toMatchObject({
    name: "PreconditionFailed",
    $metadata: { httpStatusCode: 412 },
  });
  await expect(client.send(new PutObjectCommand({ ...put, Bucket: "none" }))).rejects.toMatchObject({
    name: "NoSuchBucket",
  });
  await expect(client.send(new HeadBucketCommand({ Bucket: "none" }))).rejects.toMatchObject({ name: "NotFound" });
  await client.send(new CreateBucketCommand({ Bucket: "none" }));
  await client.send(new PutObjectCommand({ ...put, Bucket: "none" }));
});

test("pages go on by token, by start-after and in either encoding", async () => {
  const keys = ["a b", "a&b<c>", "a+b", "d/é", "d/😀"];
  for (const Key of keys) await client.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
  for (const EncodingType of [undefined, "url"] as const) {
    const found: string[] = [];
    let ContinuationToken: string | undefined;
    do {
      const input = { Bucket, EncodingType, ContinuationToken };
      const page = await client.send(new ListObjectsV2Command(input));
      expect(page.Contents?.length).toBeLessThanOrEqual(2);
      for (const { Key = "" } of page.Contents ?? [])
        found.push(EncodingType === "url" ? decodeURIComponent(Key) : Key);
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
    expect(found).toEqual([...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  }
  const behind = await client.send(new ListObjectsV2Command({ Bucket, Prefix: "a", StartAfter: "a b", MaxKeys: 1 }));
  expect(behind.Contents?.map(({ Key }) => Key)).toEqual(["a&b<c>"]);
  expect(behind.IsTruncated).toBe(true);
});

test("faults are used up in order, each by the request it names", async () => {
  server.setFaults([
    { does: "refuse", status: 403, code: "AccessDenied", action: "HeadObject" },
    { does: "refuse", status: 403, code: "AccessDenied", key: "b" },
    { does: "refuse", status: 409, code: "ConditionalRequestConflict" },
  ]);
  const put = (Key: string): Promise<unknown> => client.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
  await expect(put("a")).rejects.toMatchObject({ name: "ConditionalRequestConflict" });
  await expect(put("b")).rejects.toMatchObject({ name: "AccessDenied" });
  await put("a");
  await put("b");
  await expect(client.send(new HeadObjectCommand({ Bucket, Key: "a" }))).rejects.toMatchObject({
    $metadata: { httpStatusCode: 403 },
  });
  await client.send(new HeadObjectCommand({ Bucket, Key: "a" }));
  expect(server.requests.map(({ action, key, status }) => `${action} ${key} ${status}`)).toEqual([
    "PutObject a 409",
    "PutObject b 403",
    "PutObject a 200",
    "PutObject b 200",
    "HeadObject a 403",
    "HeadObject a 200",
  ]);
});
