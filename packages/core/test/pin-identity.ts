import { expect } from "@jest/globals";
import type { BatchSettings } from "../src/batch-file.ts";
import { normaliseRecord, type RecordSettings } from "../src/normalise-record.ts";
import { createChunker, type PlannedChunk } from "../src/plan-batch.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import { recordLines, rowCount } from "../src/record-lines.ts";

/**
 * The bytes, hashes and names of one fixed input (FORMATS). Users have stored what these tests pin: whoever changes an
 * expected value here changes a format, and must raise `formatVersion` (what is asked, or how it is read),
 * `layoutVersion` (files and names) or `schemaVersion` (columns) with it. A refactoring changes nothing here.
 */

const raise =
  "what is stored changed: raise formatVersion, layoutVersion or schemaVersion in batch-file.ts, then pin anew";

/** Several responses and principles, an integer id, parts, unicode, specials, every kind of carried field, bad records. */
const input: readonly string[] = [
  String.raw`{"id":9007199254740991,"prompt":"What is 1+1?","responses":["1+1=2","<think>hm</think>\n1+1=3"],"principles":["correctness","conciseness"],"domain":"math","score":0.5,"gold":true,"note":null}`,
  '{"prompt":"no answer"}',
  String.raw`{"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":[{"type":"text","text":"\u65e5\u672c "},{"type":"text","text":"\ud83d\udc69\u200d\ud83d\ude80?"}]}],"response":"e\u0301 \u2028 \"q\" <|im_end|>","group":"g-1"}`,
  '{"id":"torn',
  '{"id":"five","prompt":"Say a letter.","response":["a","b","c","d",""],"principle":["p","q"],"big":"1e21","n":1e21,"z":-0,"__proto__":"own"}',
  '{"id":18446744073709551615,"prompt":"x","response":"y"}',
  '{"id":"last","messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}]}',
];

const recordSettings: RecordSettings = {
  roles: ["system", "user", "assistant"],
  principles: ["clarity"],
  map: {},
  columns: [{ name: "domain", type: "string" }],
  carryAll: false,
};

/** The input as chunks, from line 2 on: line 1 was blank. */
export function plan(): PlannedChunk[] {
  const chunker = createChunker();
  const chunks: PlannedChunk[] = [];
  let rowIndex = 0;
  let offset = 1;
  for (const [i, text] of input.entries()) {
    const place = { input: "sub/rollouts-7.jsonl.gz", inputLine: i + 2, offset, rowIndex };
    for (const line of recordLines(parse(text), place)) {
      rowIndex += rowCount(line);
      chunks.push(...chunker.push(line));
    }
    offset += new TextEncoder().encode(text).length + 1;
  }
  return [...chunks, ...chunker.end()];
}

function parse(text: string): ReturnType<typeof normaliseRecord> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, bad: "invalid_json" };
  }
  return normaliseRecord(value, recordSettings);
}

export const settings: BatchSettings = {
  model: "judge",
  revision: null,
  profile: genrmPrinciple,
  strip: "auto",
  specials: "neutralise",
  samples: 1,
  seed: null,
  columns: [],
  reuse: [],
};

/** Says what to do beside what differs. */
export function pin(now: unknown, expected: unknown): void {
  try {
    expect(now).toEqual(expected);
  } catch (cause) {
    throw new Error(`${raise}\n${String((cause as { message?: unknown }).message)}`, { cause });
  }
}
