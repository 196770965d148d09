import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { batchName, batchSha256, formatVersion, layoutVersion, schemaVersion } from "../src/batch-file.ts";
import { pinBytes, pinSha256 } from "../src/pin.ts";
import type { PlannedChunk } from "../src/plan-batch.ts";
import { profileSha256 } from "../src/profile.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import { resultColumns, shardMetadataKeys } from "../src/result-row.ts";
import { badCodes } from "../src/row.ts";
import { sha256 } from "../src/sha256.ts";
import { statuses } from "../src/status.ts";
import { pin, plan, settings } from "./pin-identity.ts";

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
