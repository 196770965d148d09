import type { S3Request } from "./answer-s3.ts";

/** What a path-style request wants, told by its method, key, query and headers (names in lower case). */
export function s3Action(
  method: string,
  key: string,
  query: URLSearchParams,
  headers: S3Request["headers"],
): S3Request["action"] {
  if (key === "") {
    if (method === "GET" && query.get("list-type") === "2") return "ListObjectsV2";
    if (method === "GET" && query.has("uploads")) return "ListMultipartUploads";
    return method === "PUT" ? "CreateBucket" : method === "HEAD" ? "HeadBucket" : "unknown";
  }
  if (method === "DELETE" && query.has("uploadId")) return "AbortMultipartUpload";
  // copies and multipart uploads would get round the condition: refused like every other action that is not known
  if (headers["x-amz-copy-source"] !== undefined || query.has("uploads") || query.has("uploadId")) return "unknown";
  const actions = { PUT: "PutObject", GET: "GetObject", HEAD: "HeadObject", DELETE: "DeleteObject" } as const;
  return actions[method as keyof typeof actions] ?? "unknown";
}
