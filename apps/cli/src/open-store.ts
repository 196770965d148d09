import { AssayError } from "@assay/core";
import { assertAtomicStore, type ObjectStore } from "@assay/store";
import { localStore } from "@assay/store/local";
import type { Uploads } from "@assay/store/s3";
import type { S3Client } from "@aws-sdk/client-s3";
import { storeWithCrashPoints } from "./crash-points.ts";
import { absolutePath } from "./current-folder.ts";
import { systemClock } from "./system-clock.ts";

/** The store that `--root` or ASSAY_ROOT names. Opens nothing yet: a local directory is made at the first write. */
export async function openStore(root: string | undefined): Promise<ObjectStore> {
  const named = root ?? process.env.ASSAY_ROOT;
  if (named === undefined || named === "") {
    throw new AssayError("E_USAGE", "no root is named", {
      expected: "--root DIR or s3://bucket/prefix, or ASSAY_ROOT",
    });
  }
  return storeWithCrashPoints(await openUri(named));
}

/**
 * A store for any directory or s3:// address; the SDK is loaded only for the latter. Region and endpoint are those of the
 * environment or of the AWS configuration's profile.
 */
export async function openUri(uri: string): Promise<ObjectStore> {
  if (!/^s3:\/\//i.test(uri)) {
    // s3:/bucket is a slip, which would fill this disk; ./s3:/bucket is a folder
    if (isAddress(uri)) {
      throw new AssayError("E_USAGE", "not a place Assay can write to", {
        expected: "a directory or s3://bucket/prefix",
        got: uri,
      });
    }
    return localStore(absolutePath(uri));
  }
  const { s3Store } = await import("@assay/store/s3");
  return s3Store(await s3Target(uri));
}

/** The multipart uploads of a root in a bucket; null for a directory, which knows none. */
export async function openUploads(root: string | undefined): Promise<Uploads | null> {
  const uri = root ?? process.env.ASSAY_ROOT ?? "";
  if (!/^s3:\/\//i.test(uri)) return null;
  const { s3Uploads } = await import("@assay/store/s3");
  return s3Uploads(await s3Target(uri));
}

/** Whether a text is an address, or was meant to be one: as a path it would be a folder named `s3:` that nobody finds. */
export function isAddress(text: string): boolean {
  return /^(s3:|[a-z][a-z0-9+.-]*:\/\/)/i.test(text);
}

async function s3Target(uri: string): Promise<{ client: S3Client; bucket: string; prefix: string }> {
  // the SDK warns on stderr that its releases of 2027 will need Node 22; the pin is ours to raise, not the user's
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";
  const { S3Client } = await import("@aws-sdk/client-s3");
  const { parseS3Uri, s3ClientOptions } = await import("@assay/store/s3");
  const named = process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION;
  // as the SDK finds it, which of itself changes no more than where requests go
  const { config } = new S3Client(named === undefined ? {} : { region: named });
  const endpoint = await config.serviceConfiguredEndpoint?.().catch(() => undefined);
  const region = await config.region().catch(() => (endpoint === undefined ? undefined : "us-east-1"));
  const client = new S3Client({
    ...s3ClientOptions(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
  });
  return { client, ...parseS3Uri(uri) };
}

/** Before the first write of a day: a store that ignores put-if-absent would lose rows without a word. */
export async function assertWritable(store: ObjectStore): Promise<void> {
  await assertAtomicStore(store, { day: new Date().toISOString().slice(0, 10), random: systemClock.random });
}
