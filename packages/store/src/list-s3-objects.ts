import { AssayError } from "@assay/core";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { callS3, type S3Root } from "./call-s3.ts";
import { checkPrefix } from "./check-key.ts";
import type { ObjectInfo } from "./port.ts";

/** The most that S3 puts into one page. */
const pageKeys = 1_000;

/** Pages are fetched as they are consumed. A listing that cannot be carried on is an error, never a short listing. */
export async function* listS3Objects(
  root: S3Root,
  prefix: string,
  options: { after?: string; limit?: number; signal?: AbortSignal },
): AsyncGenerator<ObjectInfo> {
  checkPrefix(prefix);
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  let token: string | undefined;
  while (left > 0) {
    const input = {
      Bucket: root.bucket,
      Prefix: root.base + prefix,
      MaxKeys: Math.min(left, pageKeys),
      // the token already says where to go on
      ...(token !== undefined
        ? { ContinuationToken: token }
        : options.after !== undefined
          ? { StartAfter: root.base + options.after }
          : {}),
    };
    const page = await callS3(root, "ListObjectsV2", prefix, options.signal, (abortSignal) =>
      root.client.send(new ListObjectsV2Command(input), { abortSignal }),
    );
    for (const { Key, Size, LastModified } of page.Contents ?? []) {
      // a "folder" that a console made is an empty object whose key ends in a slash
      if (Key === undefined || Key.endsWith("/")) continue;
      if (options.signal?.aborted === true) throw new AssayError("E_ABORTED", "stopped", { where: root.uri });
      if (left <= 0) return;
      left -= 1;
      const modified = LastModified === undefined ? {} : { modified: LastModified.getTime() };
      yield { key: Key.slice(root.base.length), size: Size ?? 0, ...modified };
    }
    if (page.IsTruncated !== true) return;
    const next = page.NextContinuationToken;
    if (next === undefined || next === "" || next === token) {
      throw new AssayError("E_STORE_UNAVAILABLE", "ListObjectsV2 says there is more and not where", {
        where: `${root.uri}/${prefix}`,
        expected: "a new NextContinuationToken with IsTruncated",
        got: next === token ? "the same token again" : "none",
      });
    }
    token = next;
  }
}
