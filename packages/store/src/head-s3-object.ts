import { HeadObjectCommand } from "@aws-sdk/client-s3";
import { type S3Root, type SdkError, statusOf } from "./call-s3.ts";

/**
 * Size, ETag and metadata, or null. The answer to HEAD has no body: with a bucket that does not exist, and on versitygw with
 * a wrong access key, it is the same 404 as for an absent object. Throws the SDK's errors.
 */
export async function headS3Object(
  root: S3Root,
  key: string,
  abortSignal: AbortSignal,
): Promise<{ size: number; etag: string | undefined; metadata: Readonly<Record<string, string>> } | null> {
  try {
    const input = { Bucket: root.bucket, Key: root.base + key };
    const found = await root.client.send(new HeadObjectCommand(input), { abortSignal });
    return { size: found.ContentLength ?? 0, etag: found.ETag, metadata: found.Metadata ?? {} };
  } catch (error) {
    if (statusOf(error) === 404 && (error as SdkError).name !== "NoSuchBucket") return null;
    throw error;
  }
}
