import { describe, test } from "@jest/globals";
import { buildReadRequest, buildRequest } from "../src/build-request.ts";
import { builtInProfiles } from "../src/built-in-profiles.ts";
import { canonicalJson } from "../src/canonical-json.ts";
import { parseRows } from "../src/parse-rows.ts";
import { layoutSha256, type Profile, profileSha256, resolveForms } from "../src/profile.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import { scalarPrinciple } from "../src/profiles/scalar-principle.ts";
import { yesNo } from "../src/profiles/yes-no.ts";
import { chatBody, readBody } from "../src/request-body.ts";
import { isBadLine, rowsOf } from "../src/row.ts";
import { pin, plan, settings } from "./pin-identity.ts";

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
      '{"logprob_token_ids":[7414,2308,9454,2753,9834,902,9693,2152,14080,5664,14004,8996],"logprobs":0,"max_tokens":1,"min_p":0,"model":"judge","priority":-1,"prompt":[151644,1,2,3],"repetition_penalty":1,"return_token_ids":true,"return_tokens_as_token_ids":true,"temperature":0,"top_k":-1,"top_p":1}',
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
      '{"logprob_token_ids":[9642,2822],"logprobs":0,"max_tokens":1,"min_p":0,"model":"judge","priority":-1,"prompt":[151644,1,2,3],"repetition_penalty":1,"return_token_ids":true,"return_tokens_as_token_ids":true,"temperature":0,"top_k":-1,"top_p":1}',
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
      '{"logprob_token_ids":[10539,5230],"logprobs":0,"max_tokens":1,"min_p":0,"model":"judge","priority":-1,"prompt":[151644,1,2,3],"repetition_penalty":1,"return_token_ids":true,"return_tokens_as_token_ids":true,"temperature":0,"top_k":-1,"top_p":1}',
    ],
  ])("golden requests and row keys: %s", (_name, profile, requests, read) => {
    pin(asked(profile), requests);
    pin(canonicalJson(readBody(buildReadRequest("judge", [151644, 1], [2, 3, 7414], 2, profile))), read);
  });
});
