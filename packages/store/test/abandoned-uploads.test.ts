import { type S3Server, startS3Server } from "@assay/testkit";
import { S3Client } from "@aws-sdk/client-s3";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { type AbandonedUpload, s3ClientOptions, s3Uploads, type Uploads } from "../src/s3.ts";

process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

let server: S3Server;
let client: S3Client;
beforeEach(async () => {
  // small pages, so that a listing goes through its markers
  server = await startS3Server({ pageSize: 2 });
  client = new S3Client({
    ...s3ClientOptions({ endpoint: server.url }),
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
});
afterEach(async () => {
  client.destroy();
  await server.close();
});

const uploads = (prefix: string): Uploads => s3Uploads({ client, bucket: server.bucket, prefix });
async function listed(of: Uploads, before: string): Promise<AbandonedUpload[]> {
  const found: AbandonedUpload[] = [];
  for await (const upload of of.list(Date.parse(before))) found.push(upload);
  return found;
}

test("uploads of the root that are old enough are found, over all pages, and ended; no object and no other is touched", async () => {
  const old = "2026-01-01T00:00:00.000Z";
  const young = "2026-01-03T00:00:00.000Z";
  for (const [key, id, initiated] of [
    ["some/root/b/a é", "1", old],
    ["some/root/b/a é", "2", old],
    ["some/root/b/c", "3", young],
    ["some/root/b/d", "4", old],
    ["some/rootless/b/d", "5", old],
    ["x", "6", old],
  ] as const)
    server.uploads.push({ key, id, initiated });
  server.buckets.get(server.bucket)?.set("some/root/b/d", { bytes: Buffer.from("d"), etag: '"d"', metadata: {} });

  const root = uploads("some/root");
  const found = await listed(root, "2026-01-02T00:00:00.000Z");
  expect(found).toEqual([
    { key: "b/a é", id: "1", startedAt: Date.parse(old) },
    { key: "b/a é", id: "2", startedAt: Date.parse(old) },
    { key: "b/d", id: "4", startedAt: Date.parse(old) },
  ]);
  for (const upload of found) await root.abort(upload);
  // somebody else was faster
  for (const upload of found) await root.abort(upload);
  expect(server.uploads.map(({ id }) => id)).toEqual(["3", "5", "6"]);
  expect(await listed(root, "2026-01-02T00:00:00.000Z")).toEqual([]);
  expect(await listed(uploads(""), "2026-01-02T00:00:00.000Z")).toHaveLength(2);
  expect([...(server.buckets.get(server.bucket)?.keys() ?? [])]).toEqual(["some/root/b/d"]);
});

test("a server that is refused or does not answer is an error of ours", async () => {
  server.setFaults([{ does: "refuse", action: "ListMultipartUploads", status: 403, code: "AccessDenied" }]);
  await expect(listed(uploads("some/root"), "2026-01-02T00:00:00.000Z")).rejects.toMatchObject({ code: "E_DENIED" });
});
