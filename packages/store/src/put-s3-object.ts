import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { type S3Root, statusOf } from "./call-s3.ts";
import { headS3Object } from "./head-s3-object.ts";
import type { PutResult } from "./port.ts";

/** Metadata by which a lost answer of our own put is told from somebody else's object. */
const putMetadata = "assay-put";
/** 409 means that another put of the key is under way: rounds of asking again, 50 to 100 ms apart and growing. */
const conflictRounds = 10;

/**
 * Put-if-absent: one PutObject of a whole buffer with If-None-Match: *. 412 (304 from old MinIO) with our own mark on
 * the object is our own put, whose answer the SDK lost and asked again. Throws the SDK's errors.
 */
export async function putS3Object(
  root: S3Root,
  key: string,
  bytes: Uint8Array,
  abortSignal: AbortSignal,
): Promise<PutResult> {
  const id = randomBytes(12).toString("hex");
  for (let round = 0; ; round += 1) {
    try {
      const input = {
        Bucket: root.bucket,
        Key: root.base + key,
        Body: bytes,
        ContentLength: bytes.length,
        IfNoneMatch: "*",
        Metadata: { [putMetadata]: id },
      };
      await root.client.send(new PutObjectCommand(input), { abortSignal });
      return "created";
    } catch (error) {
      const status = statusOf(error);
      if (status !== 412 && status !== 304 && status !== 409) throw error;
      if (status !== 409) {
        const found = await headS3Object(root, key, abortSignal);
        if (found !== null) return found.metadata[putMetadata] === id ? "created" : "exists";
        // gone again between the two requests: once more decides
      }
      if (round >= conflictRounds) throw error;
    }
    await pause(50 * (round + 1) * (1 + Math.random()), undefined, { signal: abortSignal });
  }
}
