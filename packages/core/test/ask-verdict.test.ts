import { describe, expect, test } from "@jest/globals";
import { askVerdict } from "../src/ask-verdict.ts";
import { buildRequest } from "../src/build-request.ts";
import type { Completion } from "../src/completion.ts";
import { genrmPrinciple } from "../src/profiles/genrm-principle.ts";
import { buildCompletion, buildPosition, qwen3 } from "./build-completion.ts";
import { buildRow } from "./build-row.ts";

const settings = {
  model: "m",
  profile: genrmPrinciple,
  strip: "off",
  specials: "neutralise",
  samples: 1,
  seed: null,
} as const;

async function ask(completion: Completion) {
  const built = buildRequest(buildRow(), settings, "ids");
  if (built.kind !== "ask") throw new TypeError("the row is not asked");
  return askVerdict(async () => ({ ok: true, completion }), built.request, genrmPrinciple);
}

describe("ask-verdict: one request", () => {
  const tokenIds = [qwen3.thinkClose, ...qwen3.finalJudgement, qwen3.colon, qwen3.no, qwen3.imEnd];
  // at every place the token that was sampled is certain: read at the end token, " No" would be
  const logprobs = tokenIds.map((id) =>
    buildPosition([id, -0.001], ...[qwen3.yes, qwen3.no].filter((one) => one !== id).map((one) => [one, -9] as const)),
  );
  const answer = { content: "</think>Final Judgement: No", tokenIds, logprobsEnd: tokenIds.length };

  test("the verdict's entry is the one at its token's place", async () => {
    expect(await ask(buildCompletion({ ...answer, logprobs }))).toMatchObject({
      ok: true,
      read: { status: "ok", logprobYes: -9, logprobNo: -0.001 },
    });
  });

  test("an answer with an entry more or less than tokens is no answer: each would be another token's", async () => {
    for (const counted of [tokenIds.length - 1, tokenIds.length + 1]) {
      const entries = counted < tokenIds.length ? logprobs.slice(1) : [...logprobs.slice(0, 1), ...logprobs];
      const asked = await ask(buildCompletion({ ...answer, logprobs: entries, logprobsEnd: counted }));
      expect(asked).toMatchObject({ ok: false, failure: { kind: "bad_answer" } });
    }
  });
});
