import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import {
  answerS3,
  type S3Answer,
  type S3Buckets,
  type S3Request,
  s3Error,
  type UnfinishedUpload,
} from "./answer-s3.ts";
import { decodeAwsChunked } from "./decode-aws-chunked.ts";
import { s3Action } from "./s3-action.ts";
import { faultScript, type S3Fault } from "./s3-fault.ts";

export interface S3Server {
  /** http://127.0.0.1:port */
  readonly url: string;
  /** exists from the start */
  readonly bucket: string;
  /** every request with its answer's status, 0 while or when there is none; in order of arrival */
  readonly requests: readonly S3LogEntry[];
  /** what lies in the server, to look at or to change behind a client's back */
  readonly buckets: S3Buckets;
  /** multipart uploads that somebody began and left: a test puts them here, and only their end is served */
  readonly uploads: UnfinishedUpload[];
  /** Replaces the script of faults. */
  setFaults(faults: readonly S3Fault[]): void;
  /** Ends every connection, hanging ones included. */
  close(): Promise<void>;
}

export interface S3LogEntry {
  readonly action: S3Request["action"];
  readonly key: string;
  status: number;
  /** access key of the signature, which tells clients with keys of their own apart; "" without one */
  readonly by: string;
  /** epoch milliseconds of its arrival */
  readonly at: number;
}

/**
 * A small S3 in memory, path style, on a free loopback port, so that tests drive the real SDK. Knows what the store
 * uses: PutObject with If-None-Match and metadata, GetObject (also from an offset), HeadObject, DeleteObject,
 * ListObjectsV2, CreateBucket, and the end of multipart uploads, which it takes none of. Signatures are never checked: any credentials pass.
 */
export async function startS3Server(
  options: { bucket?: string; pageSize?: number; faults?: readonly S3Fault[] } = {},
): Promise<S3Server> {
  const bucket = options.bucket ?? "assay-test";
  const buckets: S3Buckets = new Map([[bucket, new Map()]]);
  const uploads: UnfinishedUpload[] = [];
  const requests: S3LogEntry[] = [];
  let nextFault = faultScript(options.faults ?? []);

  const server = createServer((incoming, response) => {
    answer(incoming, response).catch(() => response.destroy());
  });

  async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await readRequest(incoming);
    if (request === null) return send(response, s3Error(400, "IncompleteBody", ""), "whole");
    const by = /\bCredential=([^/]+)\//.exec(request.headers.authorization ?? "")?.[1] ?? "";
    const logged: S3LogEntry = { action: request.action, key: request.key, status: 0, by, at: Date.now() };
    requests.push(logged);
    const taken = buckets.get(request.bucket)?.has(request.key) === true;
    const fault = nextFault(request, taken);
    if (fault?.does === "drop") return void response.destroy();
    if (fault?.does === "hang") return;
    const worked =
      fault?.does === "refuse"
        ? s3Error(fault.status ?? 503, fault.code ?? "SlowDown", request.key)
        : answerS3(buckets, request, {
            pageSize: options.pageSize ?? 1_000,
            honourCondition: fault?.does !== "ignore-condition",
            uploads,
          });
    const done = fault?.does === "lose-token" ? { ...worked, body: withoutToken(worked.body) } : worked;
    if (fault?.does === "lose-answer") return void response.destroy();
    if (fault?.does === "hang-after") return;
    logged.status = done.status;
    const how = fault?.does === "cut-body" || fault?.does === "hang-body" ? fault.does : "whole";
    send(response, request.action.startsWith("Head") ? { ...done, body: Buffer.alloc(0) } : done, how, done);
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bucket,
    requests,
    buckets,
    uploads,
    setFaults(faults) {
      nextFault = faultScript(faults);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Null when the body is not what its headers say. */
async function readRequest(incoming: IncomingMessage): Promise<S3Request | null> {
  const raw = await buffer(incoming);
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(",") : value]),
  );
  const chunked = headers["x-amz-decoded-content-length"];
  const body = chunked === undefined ? raw : decodeAwsChunked(raw);
  if (body === null || (chunked !== undefined && body.length !== Number(chunked))) return null;
  const url = new URL(incoming.url ?? "/", "http://localhost");
  // split the raw path: a decoded key may hold more slashes and question marks than the bucket's end
  const [bucket = "", ...parts] = url.pathname.slice(1).split("/");
  const key = decodeURIComponent(parts.join("/"));
  return {
    action: s3Action(incoming.method ?? "", key, url.searchParams, headers),
    bucket: decodeURIComponent(bucket),
    key,
    query: url.searchParams,
    headers,
    body,
  };
}

function withoutToken(body: Buffer): Buffer {
  return Buffer.from(body.toString().replace(/<NextContinuationToken>.*<\/NextContinuationToken>/, ""));
}

/** `sized` gives the length that the headers promise. */
function send(response: ServerResponse, answer: S3Answer, how: "whole" | "cut-body" | "hang-body", sized = answer) {
  response.writeHead(answer.status, {
    ...answer.headers,
    "x-amz-request-id": "0",
    // 204 and 304 have no body and no length
    ...(answer.status === 204 || answer.status === 304 ? {} : { "content-length": String(sized.body.length) }),
  });
  if (how === "whole") return void response.end(answer.status === 304 ? undefined : answer.body);
  response.write(answer.body.subarray(0, answer.body.length >> 1), () => {
    if (how === "cut-body") response.destroy();
  });
}
