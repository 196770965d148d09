import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { buildRequest } from "../src/build-request.ts";
import { builtInProfiles } from "../src/built-in-profiles.ts";
import { canonicalJson } from "../src/canonical-json.ts";
import type { Completion, PositionLogprobs } from "../src/completion.ts";
import { completionFromChat, completionFromText } from "../src/completion-from-answer.ts";
import { isAssayError } from "../src/error.ts";
import { failureFromHttp } from "../src/failure-from-http.ts";
import { findVerdict } from "../src/find-verdict.ts";
import { parseRows } from "../src/parse-rows.ts";
import { hasVerdictIds } from "../src/profile.ts";
import { readVerdict } from "../src/read-verdict.ts";
import { principlesOf, recipeSchema } from "../src/recipe.ts";
import { reward } from "../src/reward.ts";
import { checkProfile, setProfile } from "../src/set-profile.ts";
import { qwen3 } from "./build-completion.ts";
import { buildRow } from "./build-row.ts";
import { hostileJson, hostileText, spoiled } from "./hostile-values.ts";

/** Whatever comes in: a value of the type, or an error of ours that says where; never another one, never a hang. */

const [genrm = raise("no profile")] = builtInProfiles;

describe("a profile", () => {
  const inJson = builtInProfiles.map((profile) => JSON.parse(JSON.stringify(profile)) as unknown);

  test("of any content is a profile that can ask, or E_PROFILE with its place", () => {
    fc.assert(
      fc.property(fc.oneof(hostileJson, ...inJson.map(spoiled)), (raw) => {
        const profile = orCode(() => checkProfile(raw, "mine.json"), "E_PROFILE", "mine.json");
        // its hash is a part of every batch's name
        if (profile !== null) expect(canonicalJson(profile)).not.toBe("");
        // ids that the probe has to find are not there yet
        if (profile === null || !hasVerdictIds(profile)) return;
        const settings = {
          model: "m",
          profile,
          strip: "auto",
          specials: "neutralise",
          samples: 1,
          seed: null,
        } as const;
        const row = buildRow({ response: "<think>a</think><|im_end|>\ud83d\ude00" });
        const built = buildRequest(row, settings, profile.verdict.read);
        expect(built.kind).toBe("ask");
      }),
      { numRuns: 500 },
    );
  });

  test("changed by any --set is a profile, or E_PROFILE", () => {
    const keys = fc.oneof(
      fc.constantFrom("temperature", "top_k", "max_tokens", "min_mass", "read", "combine"),
      hostileText,
    );
    const sets = fc.uniqueArray(fc.tuple(keys, fc.oneof(hostileText, fc.json())), {
      maxLength: 3,
      selector: ([key]) => key,
    });
    fc.assert(
      fc.property(sets, fc.constantFrom(...builtInProfiles), (some, profile) => {
        const changed = orCode(() => setProfile(profile, new Map(some)), "E_PROFILE", null);
        if (changed !== null) expect(changed.name).toBe(profile.name);
      }),
      { numRuns: 500 },
    );
  });
});

test("a recipe of any content is refused by its schema or gives texts for any record", () => {
  const valid = {
    name: "a",
    description: "",
    by: "domain",
    principles: { math: ["p"], "code*": ["q", "r"] },
    otherwise: null,
  };
  fc.assert(
    fc.property(fc.oneof(hostileJson, spoiled(valid)), fc.dictionary(hostileText, hostileJson), (raw, record) => {
      const parsed = recipeSchema.safeParse(raw);
      if (!parsed.success) return;
      for (const principle of principlesOf(parsed.data, record)) expect(principle.trim()).not.toBe("");
    }),
    { numRuns: 500 },
  );
});

describe("an engine's answer", () => {
  const chat = {
    choices: [
      {
        message: { content: "Final Judgement: Yes", reasoning: "r" },
        logprobs: { content: [{ token: " Yes", logprob: -0.1, top_logprobs: [{ token: " No", logprob: -3 }] }] },
        finish_reason: "stop",
        token_ids: [1, 7414],
      },
    ],
    prompt_token_ids: [1, 2],
    usage: { prompt_tokens: 2, completion_tokens: 2 },
  };
  const text = {
    choices: [
      {
        text: " Yes",
        finish_reason: "length",
        token_ids: [7414],
        logprobs: { tokens: ["token_id:7414"], token_logprobs: [-0.1], top_logprobs: [{ "token_id:2308": -2 }] },
      },
    ],
    usage: { prompt_tokens: 2, completion_tokens: 1 },
  };

  test("of any content is a completion, or a fault that says what it is not", () => {
    const asked = fc.option(fc.array(fc.integer(), { maxLength: 3 }));
    fc.assert(
      fc.property(fc.oneof(hostileJson, spoiled(chat)), asked, fc.nat(9), (body, ids, skipped) => {
        expectFault(() => completionFromChat(body, 1, ids, skipped));
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.oneof(hostileJson, spoiled(text)), (body) => expectFault(() => completionFromText(body, 1))),
      { numRuns: 500 },
    );
  });

  test("of any status and content is a failure whose message is short and can be stored", () => {
    const error = { error: { message: "m", type: "t", param: "p", code: 400 } };
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 999 }),
        fc.oneof(hostileJson, spoiled(error)),
        fc.option(hostileText),
        (status, body, after) => {
          const { message, retryAfterMs } = failureFromHttp(status, body, after, 0);
          expect(message.isWellFormed() && message.length <= 301).toBe(true);
          expect(retryAfterMs === null || retryAfterMs >= 0).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("the verdict", () => {
  const piece = fc.oneof(
    fc.constantFrom("Final Judgement:", "final judgment", " Yes", " No", "yes", "**", "\n", "<think>", "</think>", "."),
    hostileText,
  );
  const anyId = fc.oneof(
    fc.constantFrom(qwen3.yes, qwen3.no, 9_454, 2_753, qwen3.thinkClose, qwen3.imEnd),
    fc.integer(),
  );
  const anyLogprob = fc.oneof(
    fc.double({ max: 0 }),
    fc.constantFrom(Number.NaN, Number.NEGATIVE_INFINITY, -9_999, 0, -50, -1e-300),
  );
  const token = fc.record({ id: fc.option(anyId), text: piece, logprob: anyLogprob });
  const position: fc.Arbitrary<PositionLogprobs> = fc.record({
    sampled: token,
    told: fc.array(token, { maxLength: 4 }),
  });
  const completion: fc.Arbitrary<Completion> = fc
    .record({
      reasoning: fc.option(fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(""))),
      content: fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join("")),
      finishReason: fc.oneof(fc.constant("stop"), fc.constantFrom("length", "abort", null), hostileText),
      tokenIds: fc.option(fc.array(anyId, { maxLength: 8 })),
      promptTokenIds: fc.option(fc.array(anyId, { maxLength: 3 })),
      logprobs: fc.option(fc.array(position, { maxLength: 8 })),
    })
    .map((parts) => ({
      ...parts,
      logprobsEnd: parts.logprobs?.length ?? 0,
      usage: { promptTokens: 1, completionTokens: parts.tokenIds?.length ?? 0, cachedTokens: null },
      latencyMs: 1,
    }));

  test("in any completion is one of the last five tokens, or there is none and a status", () => {
    let found = 0;
    fc.assert(
      fc.property(completion, fc.constantFrom(...builtInProfiles), (some, profile) => {
        const verdict = findVerdict(some, profile);
        if (!verdict.found) {
          expect(verdict.status).not.toBe("ok");
          return;
        }
        found += 1;
        const length = some.tokenIds?.length ?? some.logprobsEnd;
        const from = profile.verdict.position === "first" ? 0 : Math.max(0, length - 5);
        expect(verdict.position).toBeGreaterThanOrEqual(from);
        expect(verdict.position).toBeLessThan(Math.max(1, length));
      }),
      { numRuns: 1_500 },
    );
    expect(found).toBeGreaterThan(0);
  });

  test("read from any log-probabilities is ok with two finite ones and enough mass, or not ok", () => {
    const form = fc.option(fc.constantFrom(...genrm.verdict.forms));
    fc.assert(
      fc.property(position, form, fc.constantFrom("two-step", "ids", "top" as const), (at, sampled, way) => {
        const read = readVerdict(at, sampled, genrm, way);
        if (read.status !== "ok") return;
        const value = reward(read.logprobYes ?? Number.NaN, read.logprobNo ?? Number.NaN);
        expect(Number.isFinite(value) && Math.abs(value) <= 50).toBe(true);
        expect(read.mass).toBeGreaterThanOrEqual(genrm.verdict.min_mass);
      }),
      { numRuns: 1_500 },
    );
  });
});

test("the lines of a chunk, of any content, are lines or a fault of ours", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        hostileText,
        fc.json(),
        fc.array(fc.json()).map((all) => all.join("\n")),
      ),
      (text) => {
        orCode(() => parseRows(new TextEncoder().encode(text)), "E_BROKEN", null);
      },
    ),
    { numRuns: 500 },
  );
});

/** The result, or null where it was refused with this code (and place). */
function orCode<T>(work: () => T, code: string, where: string | null): T | null {
  try {
    return work();
  } catch (error) {
    if (!isAssayError(error)) throw error;
    expect(error.code).toBe(code);
    if (where !== null) expect(error.where).toContain(where);
    return null;
  }
}

function expectFault(work: () => Completion): void {
  try {
    const { usage, logprobs } = work();
    expect(Number.isFinite(usage.promptTokens)).toBe(true);
    expect(logprobs === null || logprobs.length <= 8).toBe(true);
  } catch (error) {
    expect((error as Error).message).toMatch(/^not a (chat )?completion/);
  }
}

function raise(message: string): never {
  throw new Error(message);
}
