import { AssayError } from "@assay/core";
import type { S3ClientConfig } from "@aws-sdk/client-s3";

/**
 * Settings for the S3Client that the app makes. Time limits on everything, since the SDK has none and waits for ever
 * on a server that accepts and never answers. A custom endpoint means path style and no extra checksum headers, which
 * several servers refuse. Five attempts: the SDK backs off by itself; what outlasts them is waited for above.
 */
export function s3ClientOptions(options: {
  endpoint?: string;
  limits?: { connectionMs: number; socketMs: number; requestMs: number };
}): S3ClientConfig {
  const limits = options.limits ?? { connectionMs: 5_000, socketMs: 30_000, requestMs: 120_000 };
  const custom: S3ClientConfig =
    options.endpoint === undefined
      ? {}
      : {
          endpoint: options.endpoint,
          forcePathStyle: true,
          requestChecksumCalculation: "WHEN_REQUIRED",
          responseChecksumValidation: "WHEN_REQUIRED",
        };
  return {
    ...custom,
    maxAttempts: 5,
    retryMode: "standard",
    requestHandler: {
      connectionTimeout: limits.connectionMs,
      socketTimeout: limits.socketMs,
      requestTimeout: limits.requestMs,
      throwOnRequestTimeout: true,
    },
  };
}

/** s3://bucket/some/prefix -> its parts; the prefix has no slash at its ends. Throws E_USAGE. */
export function parseS3Uri(uri: string): { bucket: string; prefix: string } {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/i.exec(uri);
  // control characters cannot stand in the XML of a listing
  if (match === null || /[\u0000-\u001f\u007f]/.test(uri) || !uri.isWellFormed())
    throw new AssayError("E_USAGE", "not an S3 address", { expected: "s3://bucket/prefix", got: uri });
  return { bucket: match[1] ?? "", prefix: (match[2] ?? "").replace(/^\/+|\/+$/g, "") };
}
