import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type S3Server, startS3Server } from "@assay/testkit";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { openUri } from "../src/open-store.ts";

let folder: string;
let server: S3Server;
let before: NodeJS.ProcessEnv;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-store-"));
  server = await startS3Server();
  before = { ...process.env };
  for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
});

afterEach(async () => {
  for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
  Object.assign(process.env, before);
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

test("an endpoint of the AWS configuration's profile is asked as one of the environment is: by path", async () => {
  const file = join(folder, "config");
  // a name: of an address the SDK makes no host of the bucket
  const endpoint = server.url.replace("127.0.0.1", "localhost");
  await writeFile(
    file,
    `[profile minio]\nendpoint_url = ${endpoint}\naws_access_key_id = x\naws_secret_access_key = x\n`,
  );
  Object.assign(process.env, { AWS_CONFIG_FILE: file, AWS_PROFILE: "minio", AWS_EC2_METADATA_DISABLED: "true" });
  const store = await openUri(`s3://${server.bucket}/a folder/ü/`);
  expect(await store.putIfAbsent("x", new Uint8Array([1]))).toBe("created");
  expect([...(server.buckets.get(server.bucket)?.keys() ?? [])]).toEqual(["a folder/ü/x"]);
}, 60_000);
