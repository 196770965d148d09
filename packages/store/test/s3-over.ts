import type { ObjectStore } from "@assay/store";
import { S3Client } from "@aws-sdk/client-s3";
import { s3ClientOptions, s3Store } from "../src/s3.ts";

// its releases of 2027 need Node 22: nothing a test run has to say
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

/** A store through the real SDK over a test server, and what ends its sockets. Any credentials pass there. */
export function s3Over(
  server: { url: string; bucket: string },
  options: {
    prefix?: string;
    bucket?: string;
    callMs?: number;
    limits?: { connectionMs: number; socketMs: number; requestMs: number };
  } = {},
): { store: ObjectStore; close(): void } {
  const client = new S3Client({
    ...s3ClientOptions({
      endpoint: server.url,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    }),
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
  const store = s3Store({
    client,
    bucket: options.bucket ?? server.bucket,
    prefix: options.prefix ?? "some/root",
    ...(options.callMs === undefined ? {} : { callMs: options.callMs }),
  });
  return { store, close: () => client.destroy() };
}
