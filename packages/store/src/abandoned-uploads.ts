import { AssayError } from "@assay/core";
import { AbortMultipartUploadCommand, ListMultipartUploadsCommand, type S3Client } from "@aws-sdk/client-s3";
import { callS3, type S3Root } from "./call-s3.ts";

/** Parts that somebody put under a root and never made an object of: no listing shows them, and they are paid for. */
export interface AbandonedUpload {
  /** relative to the root */
  readonly key: string;
  readonly id: string;
  /** epoch milliseconds */
  readonly startedAt: number;
}

/** Assay itself puts whole objects; other tools that write into the root do not. Never touches an object. */
export interface Uploads {
  /** Those that were begun before `before` (epoch ms), in key order; pages are fetched as they are consumed. */
  list(before: number): AsyncIterable<AbandonedUpload>;
  /** Ends one and frees its parts. Absent is fine. */
  abort(upload: AbandonedUpload): Promise<void>;
}

export function s3Uploads(options: { client: S3Client; bucket: string; prefix: string; callMs?: number }): Uploads {
  const { client, bucket, prefix, callMs = 15 * 60_000 } = options;
  const base = prefix === "" ? "" : `${prefix}/`;
  const root: S3Root = { client, bucket, base, uri: `s3://${bucket}/${prefix}`, callMs };
  return {
    async *list(before) {
      let markers: { KeyMarker?: string; UploadIdMarker?: string } = {};
      for (;;) {
        const input = { Bucket: bucket, Prefix: base, ...markers };
        const page = await callS3(root, "ListMultipartUploads", "", undefined, (abortSignal) =>
          client.send(new ListMultipartUploadsCommand(input), { abortSignal }),
        );
        for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
          if (Key === undefined || UploadId === undefined || Initiated === undefined) continue;
          if (Initiated.getTime() < before)
            yield { key: Key.slice(base.length), id: UploadId, startedAt: Initiated.getTime() };
        }
        if (page.IsTruncated !== true) return;
        const { NextKeyMarker, NextUploadIdMarker } = page;
        if (NextKeyMarker === undefined || NextKeyMarker === "") {
          throw new AssayError("E_STORE_UNAVAILABLE", "ListMultipartUploads says there is more and not where", {
            where: root.uri,
          });
        }
        markers = {
          KeyMarker: NextKeyMarker,
          ...(NextUploadIdMarker === undefined ? {} : { UploadIdMarker: NextUploadIdMarker }),
        };
      }
    },

    async abort({ key, id }) {
      const input = { Bucket: bucket, Key: base + key, UploadId: id };
      await callS3(root, "AbortMultipartUpload", key, undefined, async (abortSignal) => {
        try {
          await client.send(new AbortMultipartUploadCommand(input), { abortSignal });
        } catch (error) {
          if ((error as { name?: unknown } | null)?.name !== "NoSuchUpload") throw error;
        }
      });
    },
  };
}
