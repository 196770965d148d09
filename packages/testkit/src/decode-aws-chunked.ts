/**
 * The payload inside an aws-chunked body: `<hex size>[;chunk-signature=…]\r\n<bytes>\r\n` repeated, a chunk of size 0,
 * then trailers. Null when the framing is broken or ends early. A server that stores the framing as if it were the
 * object corrupts every streamed put without a word, so this one decodes it.
 */
export function decodeAwsChunked(body: Buffer): Buffer | null {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = body.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const size = /^([0-9a-f]+)(?:;.*)?$/i.exec(body.toString("latin1", at, lineEnd))?.[1];
    if (size === undefined) return null;
    const length = Number.parseInt(size, 16);
    if (length === 0) return Buffer.concat(chunks);
    const start = lineEnd + 2;
    if (body.toString("latin1", start + length, start + length + 2) !== "\r\n") return null;
    chunks.push(body.subarray(start, start + length));
    at = start + length + 2;
  }
}
