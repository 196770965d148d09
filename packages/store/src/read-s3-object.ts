import type { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { AssayError } from "@assay/core";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { callS3, type S3Root, type SdkError, statusOf } from "./call-s3.ts";

/** The SDK retries until the headers are there, never what breaks behind them: broken bodies in a row before giving up. */
const maxBroken = 5;

interface Opened {
  readonly body: Readable;
  /** of the whole object, also when opened in its middle */
  readonly size: number | undefined;
  readonly etag: string | undefined;
}

/**
 * The object as it streams in, or null. A body that breaks off is taken up where it broke, held to the same ETag, so
 * the stream ends only with the last byte. Rejects with AssayErrors; E_INPUT_CHANGED when another object took its
 * place meanwhile.
 */
export async function readS3Object(
  root: S3Root,
  key: string,
  signal: AbortSignal | undefined,
): Promise<AsyncGenerator<Uint8Array> | null> {
  const first = await openAt(root, key, 0, undefined, signal);
  return first === null ? null : streamFrom(root, key, first, signal);
}

async function* streamFrom(
  root: S3Root,
  key: string,
  first: Opened,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let opened = first;
  let got = 0;
  for (let broken = 1; ; broken += 1) {
    const { body } = opened;
    const stop = (): void => void body.destroy();
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted === true) stop();
    let failure: unknown = new Error("the body ended early");
    try {
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        got += chunk.length;
        broken = 0;
        yield chunk;
      }
      if (first.size === undefined || got === first.size) return;
    } catch (error) {
      failure = error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
    opened = await callS3(root, "GetObject", key, signal, async (inner) => {
      // nothing is left to ask for, yet it failed: a checksum that does not fit, or a body longer than promised
      if (broken >= maxBroken || got >= (first.size ?? 0) || first.etag === undefined) throw failure;
      await pause(50 * 2 ** broken * (1 + Math.random()), undefined, { signal: inner });
      const again = await openAt(root, key, got, first.etag, inner);
      if (again === null) throw changed(root, key);
      return again;
    });
  }
}

async function openAt(
  root: S3Root,
  key: string,
  from: number,
  etag: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Opened | null> {
  return callS3(root, "GetObject", key, signal, async (abortSignal) => {
    const rest = from === 0 ? {} : { Range: `bytes=${from}-` };
    const same = etag === undefined ? {} : { IfMatch: etag };
    try {
      const input = { Bucket: root.bucket, Key: root.base + key, ...rest, ...same };
      const found = await root.client.send(new GetObjectCommand(input), { abortSignal });
      const body = found.Body as unknown as Readable;
      if (from > 0 && found.ContentRange?.startsWith(`bytes ${from}-`) !== true) {
        body.destroy();
        throw new AssayError("E_STORE_UNAVAILABLE", "GetObject does not go on where it broke off", {
          where: `${root.uri}/${key}`,
          expected: `bytes ${from}-`,
          got: found.ContentRange ?? "the whole object",
        });
      }
      return { body, size: found.ContentLength, etag: found.ETag };
    } catch (error) {
      // by name, not by status: a gateway's own 404 is no proof that there is no such object
      if ((error as SdkError | null)?.name === "NoSuchKey") return null;
      if (etag !== undefined && statusOf(error) === 412) throw changed(root, key);
      throw error;
    }
  });
}

function changed(root: S3Root, key: string): AssayError {
  return new AssayError("E_INPUT_CHANGED", "the object changed while it was read", { where: `${root.uri}/${key}` });
}
