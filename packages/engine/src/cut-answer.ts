/** Log-probability entries kept from the end: what core looks at, the verdict being among the last five tokens. */
const keptEntries = 8;
/** Shorter bodies are parsed whole: there is nothing to gain. */
const shortBody = 64 * 1024;

const listOpens = '"logprobs":{"content":[';
const entryOpens = '{"token":';
const entryLists = '"top_logprobs":[';
const listCloses = ']},"finish_reason":';

/** A chat answer without the log-probabilities of its reasoning. */
export interface CutAnswer {
  /** JSON with at most the last 8 entries of `logprobs.content` */
  readonly bytes: Uint8Array;
  /** entries that were cut out in front of these */
  readonly skipped: number;
}

/**
 * Cuts the middle out of a chat answer before it is parsed. Exact ids for 16,000 tokens are 5 MB, of which the last
 * 8 entries matter; parsing all of it blocks the event loop for 80 ms and more, finding the cut takes a few. Safe
 * because the searched texts hold unescaped quotes, which no JSON string can. null where the body is short or not
 * laid out as vLLM lays it out: then it is parsed whole.
 */
export function cutAnswer(body: Uint8Array): CutAnswer | null {
  if (body.length < shortBody) return null;
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const opened = bytes.indexOf(listOpens);
  if (opened < 0) return null;
  const from = opened + listOpens.length;
  const closed = bytes.indexOf(listCloses, from);
  if (closed < 0) return null;

  let keptFrom = closed;
  for (let kept = 0; kept < keptEntries; kept += 1) {
    const list = bytes.lastIndexOf(entryLists, keptFrom - 1);
    const start = list < from ? -1 : bytes.lastIndexOf(entryOpens, list);
    if (start < from) return null;
    keptFrom = start;
  }
  const skipped = countOf(bytes, entryLists, from, keptFrom);
  if (skipped === 0) return null;
  return { bytes: Buffer.concat([bytes.subarray(0, from), bytes.subarray(keptFrom)]), skipped };
}

function countOf(bytes: Buffer, text: string, from: number, to: number): number {
  const needle = Buffer.from(text);
  let count = 0;
  for (let at = bytes.indexOf(needle, from); at >= 0 && at < to; at = bytes.indexOf(needle, at + needle.length))
    count += 1;
  return count;
}
