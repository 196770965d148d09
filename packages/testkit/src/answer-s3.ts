import { createHash } from "node:crypto";

export interface S3Request {
  readonly action:
    | "PutObject"
    | "GetObject"
    | "HeadObject"
    | "DeleteObject"
    | "ListObjectsV2"
    | "CreateBucket"
    | "HeadBucket"
    | "ListMultipartUploads"
    | "AbortMultipartUpload"
    | "unknown";
  readonly bucket: string;
  /** "" for actions on a bucket */
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** decoded: no aws-chunked framing */
  readonly body: Buffer;
}

export interface S3Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface StoredObject {
  readonly bytes: Buffer;
  readonly etag: string;
  /** x-amz-meta-*, names as they stand in the header */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Parts that other tools left; this server takes none itself. */
export interface UnfinishedUpload {
  readonly key: string;
  readonly id: string;
  readonly initiated: string;
}

/** bucket -> key -> object */
export type S3Buckets = Map<string, Map<string, StoredObject>>;

/**
 * Does what a request asks and says what S3 would say. Synchronous, so put-if-absent is atomic. `honourCondition`
 * false plays the store that ignores If-None-Match. Pages of a listing hold at most `pageSize` keys.
 */
export function answerS3(
  buckets: S3Buckets,
  request: S3Request,
  options: { pageSize: number; honourCondition: boolean; uploads: UnfinishedUpload[] },
): S3Answer {
  const { action, bucket, key } = request;
  if (action === "CreateBucket") {
    if (buckets.has(bucket)) return s3Error(409, "BucketAlreadyOwnedByYou", bucket);
    buckets.set(bucket, new Map());
    return { status: 200, headers: { location: `/${bucket}` }, body: Buffer.alloc(0) };
  }
  const objects = buckets.get(bucket);
  if (objects === undefined) return s3Error(404, "NoSuchBucket", bucket);
  if (action === "HeadBucket") return { status: 200, headers: {}, body: Buffer.alloc(0) };
  if (action === "ListObjectsV2") return listPage(objects, request, options.pageSize);
  if (action === "ListMultipartUploads") return listUploads(options.uploads, request, options.pageSize);
  if (action === "AbortMultipartUpload") {
    const at = options.uploads.findIndex(({ id }) => id === request.query.get("uploadId"));
    if (at < 0) return s3Error(404, "NoSuchUpload", key);
    options.uploads.splice(at, 1);
    return { status: 204, headers: {}, body: Buffer.alloc(0) };
  }
  if (action === "PutObject") return putObject(objects, request, options.honourCondition);
  if (action === "DeleteObject") {
    objects.delete(key);
    return { status: 204, headers: {}, body: Buffer.alloc(0) };
  }
  if (action === "GetObject" || action === "HeadObject") return readObject(objects, request);
  return s3Error(501, "NotImplemented", key);
}

/** An error as S3 words it. A code of "" is an answer without XML. */
export function s3Error(status: number, code: string, resource: string): S3Answer {
  const text = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${code}</Message><Resource>${escapeXml(resource)}</Resource><RequestId>0</RequestId></Error>`;
  const body = Buffer.from(code === "" ? "no such page" : text);
  return { status, headers: { "content-type": code === "" ? "text/plain" : "application/xml" }, body };
}

function putObject(objects: Map<string, StoredObject>, request: S3Request, honourCondition: boolean): S3Answer {
  const condition = request.headers["if-none-match"];
  if (condition !== undefined && condition !== "*") return s3Error(501, "NotImplemented", request.key);
  if (condition === "*" && honourCondition && objects.has(request.key)) {
    return s3Error(412, "PreconditionFailed", request.key);
  }
  const metadata = Object.fromEntries(
    Object.entries(request.headers).flatMap(([name, value]) =>
      name.startsWith("x-amz-meta-") && value !== undefined ? [[name, value]] : [],
    ),
  );
  const etag = `"${createHash("md5").update(request.body).digest("hex")}"`;
  objects.set(request.key, { bytes: request.body, etag, metadata });
  return { status: 200, headers: { etag }, body: Buffer.alloc(0) };
}

function readObject(objects: Map<string, StoredObject>, request: S3Request): S3Answer {
  const found = objects.get(request.key);
  if (found === undefined) return s3Error(404, "NoSuchKey", request.key);
  const wanted = request.headers["if-match"];
  if (wanted !== undefined && wanted !== found.etag) return s3Error(412, "PreconditionFailed", request.key);
  const headers = { etag: found.etag, "content-type": "application/octet-stream", ...found.metadata };
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  if (range === null) return { status: 200, headers, body: found.bytes };
  const from = Number(range[1]);
  const { length } = found.bytes;
  const to = range[2] === "" ? length : Math.min(length, Number(range[2]) + 1);
  if (from >= length) return s3Error(416, "InvalidRange", request.key);
  return {
    status: 206,
    headers: { ...headers, "content-range": `bytes ${from}-${to - 1}/${length}` },
    body: found.bytes.subarray(from, to),
  };
}

function listPage(objects: Map<string, StoredObject>, request: S3Request, pageSize: number): S3Answer {
  const { query } = request;
  if (query.has("delimiter")) return s3Error(501, "NotImplemented", request.bucket);
  const prefix = query.get("prefix") ?? "";
  const token = query.get("continuation-token");
  const after = token === null ? (query.get("start-after") ?? "") : Buffer.from(token, "base64url").toString();
  const asked = Number(query.get("max-keys") ?? 1_000);
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && compareBytes(key, after) > 0);
  keys.sort(compareBytes);
  const page = keys.slice(0, Math.min(asked, pageSize, 1_000));
  const last = page.at(-1);
  const next = page.length < keys.length && last !== undefined ? Buffer.from(last).toString("base64url") : null;
  const encode = query.get("encoding-type") === "url" ? encodeURIComponent : escapeXml;
  const contents = page.map((key) => {
    const { bytes, etag } = objects.get(key) ?? { bytes: Buffer.alloc(0), etag: "" };
    return `<Contents><Key>${encode(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>${escapeXml(etag)}</ETag><Size>${bytes.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`;
  });
  const text = [
    '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
    `<Name>${request.bucket}</Name><Prefix>${encode(prefix)}</Prefix><KeyCount>${page.length}</KeyCount>`,
    `<MaxKeys>${asked}</MaxKeys><IsTruncated>${next !== null}</IsTruncated>`,
    ...(next === null ? [] : [`<NextContinuationToken>${next}</NextContinuationToken>`]),
    ...contents,
    "</ListBucketResult>",
  ].join("");
  return { status: 200, headers: { "content-type": "application/xml" }, body: Buffer.from(text) };
}

/** All of one bucket, by key and then by id; markers as S3 has them. */
function listUploads(uploads: readonly UnfinishedUpload[], { bucket, query }: S3Request, pageSize: number): S3Answer {
  const order = ({ key, id }: { key: string; id: string }): string => `${key}\n${id}`;
  const after = order({ key: query.get("key-marker") ?? "", id: query.get("upload-id-marker") ?? "" });
  const left = uploads
    .filter(({ key }) => key.startsWith(query.get("prefix") ?? ""))
    .filter((upload) => compareBytes(order(upload), after) > 0)
    .sort((a, b) => compareBytes(order(a), order(b)));
  const page = left.slice(0, pageSize);
  const last = page.length < left.length ? page.at(-1) : undefined;
  const encode = query.get("encoding-type") === "url" ? encodeURIComponent : escapeXml;
  const text = [
    '<?xml version="1.0" encoding="UTF-8"?>\n<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
    `<Bucket>${bucket}</Bucket><IsTruncated>${last !== undefined}</IsTruncated>`,
    ...(last === undefined
      ? []
      : [`<NextKeyMarker>${encode(last.key)}</NextKeyMarker><NextUploadIdMarker>${last.id}</NextUploadIdMarker>`]),
    ...page.map(
      ({ key, id, initiated }) =>
        `<Upload><Key>${encode(key)}</Key><UploadId>${id}</UploadId><Initiated>${initiated}</Initiated></Upload>`,
    ),
    "</ListMultipartUploadsResult>",
  ].join("");
  return { status: 200, headers: { "content-type": "application/xml" }, body: Buffer.from(text) };
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"\r\n\t]/g, (char) => `&#${char.charCodeAt(0)};`);
}
