import { expect, test } from "@jest/globals";
import { parseS3Uri } from "../src/s3.ts";

test.each([
  ["s3://bucket", { bucket: "bucket", prefix: "" }],
  ["s3://bucket/", { bucket: "bucket", prefix: "" }],
  ["s3://my.bucket-1/a/b/", { bucket: "my.bucket-1", prefix: "a/b" }],
])("%s names a bucket and a prefix", (uri, parts) => {
  expect(parseS3Uri(uri)).toEqual(parts);
});

test.each([
  "bucket/prefix",
  "s3:/bucket",
  "s3://",
  "s3:///a",
  "s3://a",
  "gs://bucket",
  "s3://user:pass@bucket/x",
  "s3://bucket/a\u0001b",
  "s3://bucket/a\nb",
  "s3://bucket/\ud800",
])("%j is not an S3 address", (uri) => {
  expect(() => parseS3Uri(uri)).toThrow(expect.objectContaining({ code: "E_USAGE" }));
});
