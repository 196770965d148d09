import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import {
  type BatchSettings,
  batchName,
  batchSha256,
  formatVersion,
  layoutVersion,
  schemaVersion,
} from "../src/batch-file.ts";
import { buildReadRequest, buildRequest } from "../src/build-request.ts";
import { builtInProfiles } from "../src/built-in-profiles.ts";
import { canonicalJson } from "../src/canonical-json.ts";
import { normaliseRecord, type RecordSettings } from "../src/normalise-record.ts";
import { parseRows } from "../src/parse-rows.ts";
import { pinBytes, pinSha256 } from "../src/pin.ts";
import { createChunker, type PlannedChunk } from "../src/plan-batch.ts";
import { layoutSha256, type Profile, profileSha256, resolveForms } from "../src/profile.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import { scalarPrinciple } from "../src/profiles/scalar-principle.ts";
import { yesNo } from "../src/profiles/yes-no.ts";
import { recordLines, rowCount } from "../src/record-lines.ts";
import { chatBody, readBody } from "../src/request-body.ts";
import { resultColumns, shardMetadataKeys } from "../src/result-row.ts";
import { badCodes, isBadLine, rowsOf } from "../src/row.ts";
import { sha256 } from "../src/sha256.ts";
import { statuses } from "../src/status.ts";
import * as storeKeys from "../src/store-keys.ts";

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
function plan(): PlannedChunk[] {
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

const settings: BatchSettings = {
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
function pin(now: unknown, expected: unknown): void {
  try {
    expect(now).toEqual(expected);
  } catch (cause) {
    throw new Error(`${raise}\n${String((cause as { message?: unknown }).message)}`, { cause });
  }
}

test("identity: the numbers of format, layout and schema", () => {
  pin({ formatVersion, layoutVersion, schemaVersion }, { formatVersion: 1, layoutVersion: 1, schemaVersion: 1 });
});

describe("identity: rows/", () => {
  const linesOf = ({ bytes }: PlannedChunk): string[] => new TextDecoder().decode(bytes).split(/(?<=\n)/);

  test("every line, byte by byte", () => {
    const expected = [
      [
        '{"row_index":0,"id":"9007199254740991","group":"711f2d08e0293023","input":"sub/rollouts-7.jsonl.gz","input_line":2,"response_index":0,"messages":[{"role":"user","content":"What is 1+1?"}],"response":"1+1=2","principles":[{"row_index":0,"principle_index":0,"text":"correctness"},{"row_index":1,"principle_index":1,"text":"conciseness"}],"carried":{"domain":"math","score":0.5,"gold":true,"note":null}}',
        '{"row_index":2,"id":"9007199254740991","group":"711f2d08e0293023","input":"sub/rollouts-7.jsonl.gz","input_line":2,"response_index":1,"messages":[{"role":"user","content":"What is 1+1?"}],"response":"<think>hm</think>\\n1+1=3","principles":[{"row_index":2,"principle_index":0,"text":"correctness"},{"row_index":3,"principle_index":1,"text":"conciseness"}],"carried":{"domain":"math","score":0.5,"gold":true,"note":null}}',
        '{"row_index":4,"id":"rollouts-7:3","input":"sub/rollouts-7.jsonl.gz","input_line":3,"bad":"missing_response","at":193,"field":"response"}',
        '{"row_index":5,"id":"rollouts-7:4","group":"g-1","input":"sub/rollouts-7.jsonl.gz","input_line":4,"response_index":0,"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"\u65e5\u672c \ud83d\udc69\u200d\ud83d\ude80?"}],"response":"e\u0301 \u2028 \\"q\\" <|im_end|>","principles":[{"row_index":5,"principle_index":0,"text":"clarity"}],"carried":null}',
        '{"row_index":6,"id":"rollouts-7:5","input":"sub/rollouts-7.jsonl.gz","input_line":5,"bad":"invalid_json","at":453}',
        '{"row_index":7,"id":"five","group":"f9c88b7b016ce1c0","input":"sub/rollouts-7.jsonl.gz","input_line":6,"response_index":0,"messages":[{"role":"user","content":"Say a letter."}],"response":"a","principles":[{"row_index":7,"principle_index":0,"text":"p"},{"row_index":8,"principle_index":1,"text":"q"}],"carried":{"big":"1e21","n":1e+21,"z":0,"__proto__":"own"}}',
        '{"row_index":9,"id":"five","group":"f9c88b7b016ce1c0","input":"sub/rollouts-7.jsonl.gz","input_line":6,"response_index":1,"messages":[{"role":"user","content":"Say a letter."}],"response":"b","principles":[{"row_index":9,"principle_index":0,"text":"p"},{"row_index":10,"principle_index":1,"text":"q"}],"carried":{"big":"1e21","n":1e+21,"z":0,"__proto__":"own"}}',
        '{"row_index":11,"id":"five","group":"f9c88b7b016ce1c0","input":"sub/rollouts-7.jsonl.gz","input_line":6,"response_index":2,"messages":[{"role":"user","content":"Say a letter."}],"response":"c","principles":[{"row_index":11,"principle_index":0,"text":"p"},{"row_index":12,"principle_index":1,"text":"q"}],"carried":{"big":"1e21","n":1e+21,"z":0,"__proto__":"own"}}',
        '{"row_index":13,"id":"five","group":"f9c88b7b016ce1c0","input":"sub/rollouts-7.jsonl.gz","input_line":6,"response_index":3,"messages":[{"role":"user","content":"Say a letter."}],"response":"d","principles":[{"row_index":13,"principle_index":0,"text":"p"},{"row_index":14,"principle_index":1,"text":"q"}],"carried":{"big":"1e21","n":1e+21,"z":0,"__proto__":"own"}}',
        '{"row_index":15,"id":"five","group":"f9c88b7b016ce1c0","input":"sub/rollouts-7.jsonl.gz","input_line":6,"response_index":4,"messages":[{"role":"user","content":"Say a letter."}],"response":"","principles":[{"row_index":15,"principle_index":0,"text":"p"},{"row_index":16,"principle_index":1,"text":"q"}],"carried":{"big":"1e21","n":1e+21,"z":0,"__proto__":"own"}}',
      ],
      [
        '{"row_index":17,"id":"rollouts-7:7","input":"sub/rollouts-7.jsonl.gz","input_line":7,"bad":"unsafe_integer","at":605,"field":"id"}',
        '{"row_index":18,"id":"last","group":"dae4f1f46f0e9687","input":"sub/rollouts-7.jsonl.gz","input_line":8,"response_index":0,"messages":[{"role":"user","content":"Q"}],"response":"A","principles":[{"row_index":18,"principle_index":0,"text":"clarity"}],"carried":null}',
      ],
    ];
    pin(
      plan().map(linesOf),
      expected.map((lines) => lines.map((line) => `${line}\n`)),
    );
  });

  test("where the chunks are cut, and their hashes", () => {
    pin(
      plan().map(({ chunk, rows, rowStart, sha256: hash }) => ({ chunk, rows, rowStart, hash })),
      [
        { chunk: 0, rows: 17, rowStart: 0, hash: "a14a9ff9bc0b320788d5e1f7e1142309251d5a0a8a56f3b19100fbe59a8a26f3" },
        { chunk: 1, rows: 2, rowStart: 17, hash: "9414936ef9400bab334b4fc9ff9bf4e57d418e22c1c45d1fbf1d628a68da05dc" },
      ],
    );
    // the hash is of the uncompressed bytes and of nothing else
    for (const { bytes, sha256: hash } of plan()) pin(hash, createHash("sha256").update(bytes).digest("hex"));
  });

  test("the group of a conversation is 16 hex of the hash of its messages", () => {
    pin(sha256('[{"content":"What is 1+1?","role":"user"}]').slice(0, 16), "711f2d08e0293023");
  });
});

describe("identity: a batch", () => {
  const chunkHashes = plan().map((chunk) => chunk.sha256);

  test("its full hash and its name", () => {
    const full = batchSha256(settings, chunkHashes);
    pin(full, "9f009f51202ae1abfd13146b437557b03a53ad7803c61df2ca797fdb10df96a3");
    pin(batchName("Rollouts 7", full), "rollouts-7-9f009f51202ae1ab");
  });

  test("the hash is of these words of canonical JSON", () => {
    const words = `{"chunks":["${chunkHashes.join('","')}"],"columns":[],"format":1,"layout":1,"model":"judge","profile":"${profileSha256(genrmPrinciple)}","revision":null,"samples":1,"seed":null,"specials":"neutralise","strip":"auto"}`;
    pin(batchSha256(settings, chunkHashes), sha256(words));
  });

  test("with a revision, a seed and a typed column", () => {
    const columns = [{ name: "domain", type: "string" as const }];
    pin(
      batchSha256({ ...settings, revision: "abc", seed: 7, columns }, chunkHashes),
      "cd7e4872c9c35c649ef41650fef822a605a36e4704061d34c71a2e3608fbd29e",
    );
  });

  test("pin.json", () => {
    const pinned = {
      model: "judge",
      revision: null,
      template: "t",
      delimiters: [{ id: 151644, per_turn: 1, extra: 1, extra_system: 1 }],
      logprobs: "raw" as const,
      simulated: false,
    };
    pin(
      new TextDecoder().decode(pinBytes(pinned)),
      '{"delimiters":[{"extra":1,"extra_system":1,"id":151644,"per_turn":1}],"logprobs":"raw","model":"judge","revision":null,"simulated":false,"template":"t"}',
    );
    pin(pinSha256(pinned), sha256(pinBytes(pinned)));
  });
});

describe("identity: profiles", () => {
  test("profile and layout hashes of the built-in ones", () => {
    pin(
      builtInProfiles.map((profile) => [profile.name, profileSha256(profile), layoutSha256(profile)]),
      [
        [
          "genrm-principle",
          "57c265d757cb048c5cd3d6abf3985155436cdfdfe22bbe053ea78024f69aa453",
          "be924aa026b0fbb78e3eea01e13bc2555e8f3c01d77919be475df1e99852da30",
        ],
        [
          "scalar-principle",
          "6040b7a4af31059c3f1a107438e5af985b1c61b55b84f791acbef5f58d427fb9",
          "5938a4556e57fedd482af56fe8c49471fcfdb3c6c54d87ff007cd63710f71890",
        ],
        [
          "yes-no",
          "82fe85bdd81c5ba7ec5bce7676f8670d1fad4d65a2b589849584871a5859ebf9",
          "c188e97d143220d591a8ac870da20a0358664bb92d84d27c27500f867582de10",
        ],
      ],
    );
  });

  /** Two rows of the input, asked: one stripped of its thinking, one with parts, unicode and a special string. */
  function asked(profile: Profile): [request: string, rowKey: string, neutralised: number, strippedChars: number][] {
    const rows = plan()
      .flatMap(({ bytes }) => parseRows(bytes))
      .flatMap((line) => (isBadLine(line) ? [] : rowsOf(line)));
    return [2, 5].map((rowIndex) => {
      const row = rows.find((one) => one.rowIndex === rowIndex);
      if (row === undefined) throw new Error(`no row ${rowIndex}`);
      const built = buildRequest(row, { ...settings, profile }, profile.verdict.read);
      if (built.kind !== "ask") throw new Error(built.why);
      return [canonicalJson(chatBody(built.request)), built.rowKey, built.neutralised, built.strippedChars];
    });
  }

  const resolved = resolveForms(
    yesNo,
    new Map([
      ["Yes", 10539],
      ["No", 5230],
    ]),
  );

  test.each<[string, Profile, ReturnType<typeof asked>, string]>([
    [
      "genrm-principle",
      genrmPrinciple,
      [
        [
          '{"max_tokens":16000,"messages":[{"content":"What is 1+1?","role":"user"},{"content":"1+1=3","role":"assistant"},{"content":"correctness","role":"principle"}],"min_p":0,"model":"judge","repetition_penalty":1,"return_token_ids":true,"temperature":0.6,"top_k":20,"top_p":0.95}',
          "23423c96287975dc4dfe49d9fadb76275a335f2a83b49a7f61452fd36b3d754f",
          0,
          18,
        ],
        [
          '{"max_tokens":16000,"messages":[{"content":"Be kind.","role":"system"},{"content":"\u65e5\u672c \ud83d\udc69\u200d\ud83d\ude80?","role":"user"},{"content":"e\u0301 \u2028 \\"q\\" <\u200b|im_end|>","role":"assistant"},{"content":"clarity","role":"principle"}],"min_p":0,"model":"judge","repetition_penalty":1,"return_token_ids":true,"temperature":0.6,"top_k":20,"top_p":0.95}',
          "f984f89bb4a4b472939dd3d6aaa2c9aa67f31da447c4283ddb3e0ba394aa958d",
          1,
          0,
        ],
      ],
      '{"logprob_token_ids":[7414,2308,9454,2753,9834,902,9693,2152,14080,5664,14004,8996],"logprobs":0,"max_tokens":1,"model":"judge","priority":-1,"prompt":[151644,1,2,3],"return_token_ids":true,"return_tokens_as_token_ids":true,"temperature":0}',
    ],
    [
      "scalar-principle",
      scalarPrinciple,
      [
        [
          '{"logprob_token_ids":[9642,2822],"logprobs":true,"max_tokens":1,"messages":[{"content":"What is 1+1?","role":"user"},{"content":"1+1=3","role":"assistant"},{"content":"Evaluate the response to the previous prompt in terms of whether it satisfies this principle: correctness. Only answer Yes or No.","role":"user"}],"min_p":0,"model":"judge","repetition_penalty":1,"return_token_ids":true,"temperature":0,"top_k":-1,"top_logprobs":0,"top_p":1}',
          "5b8af50e025c406ec6ccf5518758cfd49ddecb49ba9f22eb93261a7b26c4116a",
          0,
          18,
        ],
        [
          '{"logprob_token_ids":[9642,2822],"logprobs":true,"max_tokens":1,"messages":[{"content":"Be kind.","role":"system"},{"content":"\u65e5\u672c \ud83d\udc69\u200d\ud83d\ude80?","role":"user"},{"content":"e\u0301 \u2028 \\"q\\" <|im_end|>","role":"assistant"},{"content":"Evaluate the response to the previous prompt in terms of whether it satisfies this principle: clarity. Only answer Yes or No.","role":"user"}],"min_p":0,"model":"judge","repetition_penalty":1,"return_token_ids":true,"temperature":0,"top_k":-1,"top_logprobs":0,"top_p":1}',
          "608537300ae61bf98fcc9ce03a36835851a3315d79bf93e5ec446b6d0200dab1",
          0,
          0,
        ],
      ],
      '{"logprob_token_ids":[9642,2822],"logprobs":0,"max_tokens":1,"model":"judge","priority":-1,"prompt":[151644,1,2,3],"return_token_ids":true,"return_tokens_as_token_ids":true,"temperature":0}',
    ],
    [
      "yes-no, its ids found",
      resolved,
      [
        [
          '{"chat_template_kwargs":{"enable_thinking":false},"logprob_token_ids":[10539,5230],"logprobs":true,"max_tokens":1,"messages":[{"content":"What is 1+1?","role":"user"},{"content":"1+1=3","role":"assistant"},{"content":"Does your last answer satisfy this principle: correctness? Only answer Yes or No.","role":"user"}],"min_p":0,"model":"judge","repetition_penalty":1,"return_token_ids":true,"temperature":0,"top_k":-1,"top_logprobs":0,"top_p":1}',
          "2663cc3184d92449d2a19b97ceade7cf988c5d52f5309103553faeb8a1de28f4",
          0,
          18,
        ],
        [
          '{"chat_template_kwargs":{"enable_thinking":false},"logprob_token_ids":[10539,5230],"logprobs":true,"max_tokens":1,"messages":[{"content":"Be kind.","role":"system"},{"content":"\u65e5\u672c \ud83d\udc69\u200d\ud83d\ude80?","role":"user"},{"content":"e\u0301 \u2028 \\"q\\" <\u200b|im_end|>","role":"assistant"},{"content":"Does your last answer satisfy this principle: clarity? Only answer Yes or No.","role":"user"}],"min_p":0,"model":"judge","repetition_penalty":1,"return_token_ids":true,"temperature":0,"top_k":-1,"top_logprobs":0,"top_p":1}',
          "c1b0aa5565d3a5401297ef867bcf9d35257fa868eb916fb780ad1b0b0a0f619f",
          1,
          0,
        ],
      ],
      '{"logprob_token_ids":[10539,5230],"logprobs":0,"max_tokens":1,"model":"judge","priority":-1,"prompt":[151644,1,2,3],"return_token_ids":true,"return_tokens_as_token_ids":true,"temperature":0}',
    ],
  ])("golden requests and row keys: %s", (_name, profile, requests, read) => {
    pin(asked(profile), requests);
    pin(canonicalJson(readBody(buildReadRequest("judge", [151644, 1], [2, 3, 7414], 2, profile))), read);
  });
});

describe("identity: names in a root", () => {
  const batch = "demo-0123456789abcdef";
  const attempt = "00112233445566ff";
  const keys = {
    rootKey: [storeKeys.rootKey, "assay.json"],
    openPrefix: [storeKeys.openPrefix, "_batches/"],
    donePrefix: [storeKeys.donePrefix, "_done/"],
    openKey: [storeKeys.openKey(batch, 1_764_000_000_000), "_batches/8235999999999-demo-0123456789abcdef"],
    batchOfOpenKey: [storeKeys.batchOfOpenKey("_batches/8235999999999-demo-0123456789abcdef"), batch],
    doneKey: [storeKeys.doneKey(batch), "_done/demo-0123456789abcdef"],
    probeKey: [storeKeys.probeKey("2026-08-01", "ab12"), "_probe/2026-08-01-ab12"],
    probePassedKey: [storeKeys.probePassedKey("2026-08-01"), "_probe/2026-08-01.ok"],
    rowsKey: [storeKeys.rowsKey(batch, 123), "demo-0123456789abcdef/rows/000123.jsonl.gz"],
    rowsPrefix: [storeKeys.rowsPrefix(batch), "demo-0123456789abcdef/rows/"],
    batchKey: [storeKeys.batchKey(batch), "demo-0123456789abcdef/batch.json"],
    pinKey: [storeKeys.pinKey(batch), "demo-0123456789abcdef/pin.json"],
    controlPrefix: [storeKeys.controlPrefix(batch), "demo-0123456789abcdef/control/"],
    controlKey: [storeKeys.controlKey(batch, 1), "demo-0123456789abcdef/control/000001.json"],
    retriesPrefix: [storeKeys.retriesPrefix(batch), "demo-0123456789abcdef/retries/"],
    retryKey: [storeKeys.retryKey(batch, 12), "demo-0123456789abcdef/retries/0012.json"],
    retryName: [storeKeys.retryName(batch, 12), "demo-0123456789abcdef-r12"],
    parentOfRetry: [storeKeys.parentOfRetry("demo-0123456789abcdef-r12"), { batch, retry: 12 }],
    readsKey: [storeKeys.readsKey(batch), "demo-0123456789abcdef/reads.json"],
    shardPrefix: [storeKeys.shardPrefix(batch), "demo-0123456789abcdef/rewards/"],
    shardKey: [storeKeys.shardKey(batch, 999_998), "demo-0123456789abcdef/rewards/999998.parquet"],
    chunkOfShardKey: [storeKeys.chunkOfShardKey("demo-0123456789abcdef/rewards/000123.parquet"), 123],
    partialPrefix: [storeKeys.partialPrefix(batch), "demo-0123456789abcdef/partial/"],
    chunkPartialPrefix: [storeKeys.chunkPartialPrefix(batch, 123), "demo-0123456789abcdef/partial/000123/"],
    checkpointKey: [
      storeKeys.checkpointKey(batch, 123, attempt, 7),
      "demo-0123456789abcdef/partial/000123/00112233445566ff-000007.jsonl.gz",
    ],
    startKey: [storeKeys.startKey(batch, 123, attempt), "demo-0123456789abcdef/partial/000123/00112233445566ff.start"],
    endKey: [storeKeys.endKey(batch, 123, attempt), "demo-0123456789abcdef/partial/000123/00112233445566ff.end"],
    livedKey: [storeKeys.livedKey(batch, 123, attempt), "demo-0123456789abcdef/partial/000123/00112233445566ff.lived"],
    amongKey: [
      storeKeys.amongKey(batch, 123, attempt, 31_500),
      "demo-0123456789abcdef/partial/000123/00112233445566ff.among-31500",
    ],
    aloneKey: [
      [storeKeys.aloneKey(batch, 123, attempt, 31_500, null), storeKeys.aloneKey(batch, 123, attempt, 7, "89abcdef")],
      [
        "demo-0123456789abcdef/partial/000123/00112233445566ff.alone-31500",
        "demo-0123456789abcdef/partial/000123/00112233445566ff.alone-7-89abcdef",
      ],
    ],
    readPartialKey: [
      storeKeys.readPartialKey("demo-0123456789abcdef/partial/000123/00112233445566ff.alone-31500-89abcdef"),
      { attempt, chunk: 123, kind: "alone", n: 31_500, life: "89abcdef" },
    ],
    summaryKey: [storeKeys.summaryKey(batch), "demo-0123456789abcdef/summary.json"],
    successKey: [storeKeys.successKey(batch), "demo-0123456789abcdef/_SUCCESS"],
    jobId: [storeKeys.jobId(batch, 123), "demo-0123456789abcdef.c000123"],
    queueName: [storeKeys.queueName("00112233445566ff", sha256("judge")), "assay.00112233445566ff.10e86c65"],
    maxChunks: [storeKeys.maxChunks, 999_999],
  } satisfies { [name in keyof typeof storeKeys]: unknown };

  test.each(Object.entries(keys))("%s", (_name, [now, expected]) => {
    pin(now, expected);
  });

  test("every name that the module spells is pinned here", () => {
    expect(Object.keys(keys).sort()).toEqual(Object.keys(storeKeys).sort());
  });
});

describe("identity: words that are stored", () => {
  test("columns of schema 1, in order", () => {
    pin(
      resultColumns.join(" "),
      "row_index id group input input_line response_index principle_index principle row_key status reward logprob_yes logprob_no yes_no_mass floored answer answer_form finish_reason read neutralised stripped_chars prompt_tokens cached_tokens completion_tokens queue_ms latency_ms attempts engine error_code error_message scored_at source model batch samples carried reasoning",
    );
    expect(resultColumns).toHaveLength(37);
  });

  test("footer keys, statuses, codes of bad records", () => {
    pin(
      shardMetadataKeys.join(" "),
      "assay.schema assay.batch assay.batch_sha256 assay.chunk assay.profile assay.profile_sha256 assay.model assay.revision assay.pin_sha256 assay.engine_version assay.logprobs assay.software assay.simulated",
    );
    pin(
      statuses.join(" "),
      "ok truncated looped no_verdict verdict_not_in_topk no_response too_long bad_input rejected engine_error quarantined",
    );
    pin(
      badCodes.join(" "),
      "invalid_json not_an_object line_too_long lone_surrogate missing_prompt missing_response missing_principle wrong_type unknown_role unsupported_content empty_conversation unsafe_integer invalid_utf8 invalid_csv",
    );
  });
});

describe("identity: canonical JSON (RFC 8785)", () => {
  test.each<[string, unknown, string]>([
    [
      "keys by UTF-16 unit, as in section 3.2.3",
      { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\u{1f600}": 5, "\u0080": 6, "\u00f6": 7 },
      '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\u{1f600}":5,"\ufb33":3}',
    ],
    [
      "no locale in the order",
      { "a-b": 1, aB: 2, ab: 3, A: 4, "\u00e4": 5 },
      '{"A":4,"a-b":1,"aB":2,"ab":3,"\u00e4":5}',
    ],
    [
      "literals and escapes, as in section 3.2.2",
      {
        numbers: [Number("333333333.33333329"), 1e30, 4.5, 2e-3, 1e-27],
        string: '\u20ac$\u000f\nA\'B"\\\\"/',
        literals: [null, true, false],
      },
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    ],
    [
      "the exponent begins at 1e21",
      [1e20, 1e21, 999999999999999900000],
      "[100000000000000000000,1e+21,999999999999999900000]",
    ],
    ["and below 1e-6", [1e-6, 1e-7], "[0.000001,1e-7]"],
    ["one zero", [-0, 0], "[0,0]"],
    [
      "the extremes",
      [5e-324, Number.MAX_VALUE, -9007199254740991],
      "[5e-324,1.7976931348623157e+308,-9007199254740991]",
    ],
    ["U+2028 and DEL as they are", "\u2028\u007f", '"\u2028\u007f"'],
    ["no Unicode normalisation", ["\u00e9", "e\u0301"], '["\u00e9","e\u0301"]'],
    ["a key named __proto__ like any other", JSON.parse('{"b":1,"__proto__":[{}]}'), '{"__proto__":[{}],"b":1}'],
    ["order of lists is kept", [[3, 1], [], {}], "[[3,1],[],{}]"],
  ])("%s", (_name, value, expected) => {
    pin(canonicalJson(value), expected);
  });

  test.each<[string, unknown]>([
    ["NaN", Number.NaN],
    ["an infinity", { a: [Number.POSITIVE_INFINITY] }],
    ["undefined", undefined],
    ["an undefined member", { a: undefined }],
    ["undefined in a list", [undefined]],
    ["a lone surrogate", { a: ["x\ud800"] }],
    ["a lone surrogate in a key", { "\udc00": 1 }],
    ["two halves in the wrong order", "\ude00\ud83d"],
    ["a bigint", 1n],
    ["a function", { a: () => 1 }],
    ["a symbol", Symbol("s")],
  ])("refuses %s", (_name, value) => {
    expect(() => canonicalJson(value)).toThrow(/^canonicalJson: expected/);
  });
});
