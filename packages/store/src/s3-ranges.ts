import { setTimeout as pause } from "node:timers/promises";
import { AssayError, type RangeReader } from "@assay/core";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { callS3, type S3Root, type SdkError, statusOf } from "./call-s3.ts";
import { checkRange } from "./check-range.ts";

/** The SDK retries until the headers are there, never what breaks behind them. */
const maxBroken = 5;

/** The object by ranges, each one GetObject, all held to the ETag that the object was found with. */
export function s3Ranges(
  root: S3Root,
  key: string,
  { size, etag }: { readonly size: number; readonly etag: string | undefined },
  signal: AbortSignal | undefined,
): RangeReader {
  const where = `${root.uri}/${key}`;

  async function readOnce(from: number, to: number, abortSignal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | null> {
    const same = etag === undefined ? {} : { IfMatch: etag };
    const input = { Bucket: root.bucket, Key: root.base + key, Range: `bytes=${from}-${to - 1}`, ...same };
    const found = await root.client.send(new GetObjectCommand(input), { abortSignal }).catch((error: unknown) => {
      const gone = (error as SdkError | null)?.name === "NoSuchKey";
      if (!gone && statusOf(error) !== 412 && statusOf(error) !== 416) throw error;
      throw new AssayError("E_INPUT_CHANGED", "the object changed while it was read", { where, cause: error });
    });
    const bytes = await found.Body?.transformToByteArray().catch(() => undefined);
    // copied: the SDK's may be a part of a larger buffer
    return bytes?.length === to - from ? new Uint8Array(bytes) : null;
  }

  return {
    size,
    async read(from, to) {
      checkRange(where, size, from, to);
      // S3 knows no empty range
      if (from === to) return new Uint8Array();
      return callS3(root, "GetObject", key, signal, async (stop) => {
        for (let broken = 1; ; broken += 1) {
          const bytes = await readOnce(from, to, stop);
          if (bytes !== null) return bytes;
          if (broken >= maxBroken) throw new Error("the body is not the range that was asked for");
          await pause(50 * 2 ** broken * (1 + Math.random()), undefined, { signal: stop });
        }
      });
    },
    close: async () => {},
  };
}
