import { DeleteObjectCommand, ListObjectsV2Command, type S3Client } from "@aws-sdk/client-s3";
import { callS3, type S3Root, type SdkError } from "./call-s3.ts";
import { checkKey, checkRemovable } from "./check-key.ts";
import { headS3Object } from "./head-s3-object.ts";
import { listS3Objects } from "./list-s3-objects.ts";
import type { ObjectStore } from "./port.ts";
import { putS3Object } from "./put-s3-object.ts";
import { readS3Object } from "./read-s3-object.ts";
import { s3Ranges } from "./s3-ranges.ts";

/** Five attempts of 120 s (`s3ClientOptions`) and the pauses between them fit in; beyond it nothing is hoped for. */
const defaultCallMs = 15 * 60_000;

/**
 * A bucket or a prefix of one. The client brings its own retries and time limits (`s3ClientOptions`); `callMs` bounds
 * each call as a whole, also against a server that sends a byte now and then.
 */
export function s3Store(options: { client: S3Client; bucket: string; prefix: string; callMs?: number }): ObjectStore {
  const { client, bucket, prefix, callMs = defaultCallMs } = options;
  const root: S3Root = {
    client,
    bucket,
    base: prefix === "" ? "" : `${prefix}/`,
    uri: `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}`,
    callMs,
  };
  let bucketAnswers = false;

  /** A HEAD that finds nothing proves nothing until the bucket has answered something that has a body. Asked once. */
  async function assertBucket(abortSignal: AbortSignal): Promise<void> {
    if (bucketAnswers) return;
    await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: root.base, MaxKeys: 1 }), { abortSignal });
    bucketAnswers = true;
  }

  function head(key: string, stop: AbortSignal | undefined): ReturnType<typeof headS3Object> {
    return callS3(root, "HeadObject", key, stop, async (signal) => {
      const found = await headS3Object(root, key, signal);
      if (found === null) await assertBucket(signal);
      return found;
    });
  }

  return {
    uri: root.uri,

    async get(key, at) {
      checkKey(key);
      return callS3(root, "GetObject", key, at?.signal, async (signal) => {
        const chunks = await readS3Object(root, key, signal);
        if (chunks === null) return null;
        return collect(chunks);
      });
    },

    async putIfAbsent(key, bytes, at) {
      checkKey(key);
      return callS3(root, "PutObject", key, at?.signal, (signal) => putS3Object(root, key, bytes, signal));
    },

    list: (prefix, at) => listS3Objects(root, prefix, at ?? {}),

    async head(key, at) {
      checkKey(key);
      const found = await head(key, at?.signal);
      return found === null ? null : { size: found.size };
    },

    async read(key, at) {
      checkKey(key);
      return readS3Object(root, key, at?.signal);
    },

    async ranges(key, at) {
      checkKey(key);
      const found = await head(key, at?.signal);
      return found === null ? null : s3Ranges(root, key, found, at?.signal);
    },

    async remove(key, at) {
      checkRemovable(key);
      await callS3(root, "DeleteObject", key, at?.signal, async (abortSignal) => {
        try {
          await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: root.base + key }), { abortSignal });
        } catch (error) {
          if ((error as SdkError | null)?.name !== "NoSuchKey") throw error;
        }
      });
    },
  };
}

/** In an array buffer of its own: a small Buffer would share Node's pool with everything else. */
async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const collected: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    collected.push(chunk);
    length += chunk.length;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of collected) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
