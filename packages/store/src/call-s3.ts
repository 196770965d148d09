import { setMaxListeners } from "node:events";
import { AssayError, classifyError, isAssayError } from "@assay/core";
import type { S3Client } from "@aws-sdk/client-s3";
import { atomicStores } from "./atomic-stores.ts";

/** A bucket, or a prefix of one. */
export interface S3Root {
  readonly client: S3Client;
  readonly bucket: string;
  /** "" or ending in "/": stands before every key */
  readonly base: string;
  readonly uri: string;
  /** the longest that one call may take with all its retries; the client's own limits do not see a trickling server */
  readonly callMs: number;
}

/**
 * Runs `work` under the caller's signal and the root's time limit, and turns what it throws into ours. `work` hands
 * the signal it is given to every request.
 */
export async function callS3<T>(
  root: S3Root,
  action: string,
  key: string,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  // each attempt of the SDK listens more than once
  setMaxListeners(0, stop.signal);
  const forward = (): void => stop.abort();
  if (signal?.aborted === true) stop.abort();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    stop.abort();
  }, root.callMs);
  signal?.addEventListener("abort", forward, { once: true });
  try {
    if (stop.signal.aborted) throw new AssayError("E_ABORTED", "stopped");
    return await work(stop.signal);
  } catch (cause) {
    const where = key === "" ? root.uri : `${root.uri}/${key}`;
    // an abort shows in many shapes: AbortError, a reset socket, a stream that closes early
    if (signal?.aborted === true) throw new AssayError("E_ABORTED", "stopped", { where, cause });
    if (late) {
      const got = `no end within ${root.callMs} ms`;
      throw new AssayError("E_STORE_UNAVAILABLE", `${action} does not come to an end`, { where, got, cause });
    }
    throw translateS3Error(root, action, where, cause);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", forward);
  }
}

export interface SdkError {
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

export function statusOf(error: unknown): number | undefined {
  return (error as SdkError | null)?.$metadata?.httpStatusCode;
}

/** Told by name and status, never by class: tests run in another realm. */
function translateS3Error(root: S3Root, action: string, where: string, cause: unknown): AssayError {
  if (isAssayError(cause)) return cause;
  const { name = "Error", message = "", code } = (cause ?? {}) as SdkError;
  const status = statusOf(cause);
  if (name === "NoSuchBucket") {
    const next = "make the bucket, or check its name and region";
    return new AssayError("E_DENIED", "there is no such bucket", { where: root.uri, cause, next });
  }
  const inRegion = { where: root.uri, cause, next: "set AWS_REGION to the bucket's region" };
  if (/^Region is missing/.test(message)) return new AssayError("E_DENIED", "no region is set", inRegion);
  if (status === 301 || status === 307 || status === 308)
    return new AssayError("E_DENIED", "the bucket is in another region", { ...inRegion, got: `${status} ${name}` });
  if (classifyError(cause) === "denied") {
    const got = status === undefined ? message : `${status} ${name}`;
    return new AssayError("E_DENIED", `${action} is not allowed`, { where, got, cause });
  }
  if (status === 501 || name === "NotImplemented") {
    const what = action === "PutObject" ? "PutObject with If-None-Match" : action;
    const got = [status, name].filter((part) => part !== undefined).join(" ");
    return new AssayError("E_STORE_NOT_ATOMIC", `this store does not implement ${what}`, {
      where: root.uri,
      got,
      cause,
      next: atomicStores,
    });
  }
  const got = [status, name, code, message].filter((part) => part !== undefined && part !== "").join(" ");
  return new AssayError("E_STORE_UNAVAILABLE", `${action} failed after its retries`, { where, got, cause });
}
