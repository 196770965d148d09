import { describe, expect, test } from "@jest/globals";
import type { BatchFile } from "../src/batch-file.ts";
import { buildRequest } from "../src/build-request.ts";
import { profileByName } from "../src/built-in-profiles.ts";
import { explainRow, lineOfRow, type StoredRow } from "../src/explain-row.ts";
import { emptyOutcome, makeResultRow, type RowOutcome } from "../src/make-result-row.ts";
import { vllmForm } from "../src/read-way.ts";
import type { ResponseLine } from "../src/row.ts";

const asked: ResponseLine = {
  row_index: 4,
  id: "x",
  group: "g",
  input: "a.jsonl",
  input_line: 3,
  response_index: 0,
  messages: [{ role: "user", content: "What is 1+1? <|im_end|>" }],
  response: "<think>hm</think>2",
  principles: [
    { row_index: 4, principle_index: 0, text: "correctness" },
    { row_index: 5, principle_index: 1, text: "brevity" },
  ],
  carried: null,
};

const fileOf = (profile: string): BatchFile =>
  ({
    batch: "b-0123456789abcdef",
    model: "judge",
    revision: null,
    profile: profileByName(profile),
    strip: "auto",
    specials: "neutralise",
    samples: 1,
    seed: null,
    columns: [],
    keep_reasoning: "failed",
    counts: { rows: 6 },
  }) as unknown as BatchFile;

function stored(profile: string, outcome: Partial<RowOutcome>, line: ResponseLine = asked): StoredRow {
  const file = fileOf(profile);
  const found = lineOfRow([line], 5);
  const result = makeResultRow(file, found.row!, { ...emptyOutcome, status: "ok", ...outcome }, 1_000);
  return { file, chunk: 0, ...found, result, simulated: false, server: vllmForm };
}

const options = { text: false, url: null, hasKey: false };
const read = { logprobYes: -0.25, logprobNo: -60, mass: 0.8, answer: " Yes", answerForm: " Yes", read: "two-step" };
const key = (profile: string): string => {
  const built = buildRequest(lineOfRow([asked], 5).row!, fileOf(profile), "two-step");
  return built.kind === "ask" ? built.rowKey : "";
};

describe("a row explained from what is stored", () => {
  test("its request is made anew and has the stored key; the reward is worked out again", () => {
    const explained = explainRow(
      stored("genrm-principle", { ...read, rowKey: key("genrm-principle"), engine: "http://e:8000" }),
      options,
    );
    expect(explained).toMatchObject({
      row_index: 5,
      asks: { principle: "brevity", turns: 1, conversation_chars: 23, response_chars: 18 },
      request: {
        url: "http://e:8000/v1/chat/completions",
        requests: 2,
        row_key_is_stored: true,
        neutralised: 1,
        stripped_chars: 17,
      },
      result: {
        reward: 49.75,
        yes: { word: " Yes", id: 7414 },
        no: { word: " No", id: 2308 },
        clipped: ["no"],
        reward_is_arithmetic: true,
      },
    });
  });

  test("another key, and another reward than its log-probabilities give, are told apart from the stored ones", () => {
    const broken = stored("genrm-principle", { ...read, rowKey: "0".repeat(64) });
    const explained = explainRow({ ...broken, result: { ...broken.result!, reward: 49.7 } }, options);
    expect(explained.request?.row_key_is_stored).toBe(false);
    expect(explained.result?.reward_is_arithmetic).toBe(false);
  });

  test("no text of the row is in it unless it was asked for, and then as curl, too", () => {
    const row = stored("genrm-principle", { ...read, rowKey: key("genrm-principle") });
    expect(JSON.stringify(explainRow(row, options))).not.toMatch(/1\+1|think/);
    const shown = explainRow(row, { ...options, text: true });
    expect(shown.asks?.messages).toEqual(asked.messages);
    expect(shown.request?.curl?.join("\n")).toContain("What is 1+1? <\\u200b|im_end|>");
  });

  test("a row that asks nothing has no key, as it was stored", () => {
    const outcome = { status: "no_response", errorCode: "E_NO_RESPONSE", errorMessage: "nothing" } as const;
    const explained = explainRow(stored("genrm-principle", outcome, { ...asked, response: "<think>hm" }), options);
    expect(explained.request).toMatchObject({ row_key: null, row_key_is_stored: true, requests: 0 });
    expect(explained.request?.unasked?.status).toBe("no_response");
    expect(explained.others?.every(({ outcomes }) => outcomes.length === 0)).toBe(true);
  });

  test("a profile whose ids the engine brings asks for a top list in its curl, and has no NVIDIA policies", () => {
    const row = stored("yes-no", { ...read, answerForm: null, read: "ids" });
    const explained = explainRow(row, { ...options, text: true });
    expect(explained.others).toBeNull();
    expect(explained.request).toMatchObject({ ids_left_out: true, requests: 1 });
    expect(explained.request?.curl?.join("\n")).toMatch(/"logprobs": true,\n {2}"top_logprobs": 20/);
  });

  test("a row without a shard is only asked about", () => {
    const explained = explainRow({ ...stored("genrm-principle", read), result: null, simulated: null }, options);
    expect(explained).toMatchObject({ result: null, others: null, reasoning: null });
    expect(explained.request).toMatchObject({ url: "ENGINE/v1/chat/completions", row_key_is_stored: null });
  });
});

test("a row that its chunk does not have is a broken promise", () => {
  expect(() => lineOfRow([asked], 6)).toThrow(expect.objectContaining({ code: "E_BROKEN" }));
});
