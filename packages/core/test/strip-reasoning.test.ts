import { expect, test } from "@jest/globals";
import { stripReasoning } from "../src/strip-reasoning.ts";

/** A text: what is left. null: no response. */
test.each<[string, string, string | null, string | null, string]>([
  // response, why it is here, auto, always, off (always the response itself)
  ["4", "no thinking at all", "4", null, "4"],
  ["<think>2+2</think>\n\n4", "opened and closed", "4", "4", ""],
  [" \n<think>2+2</think>4", "white space before", "4", "4", ""],
  ["2+2</think> 4", "opened by the prompt", "4", "4", ""],
  ["<think>2+2", "never closed", null, null, ""],
  ["<think>2+2</think>", "nothing behind", null, null, ""],
  ["2+2</think> \n", "white space behind", null, null, ""],
  ["<think>a</think>b</think>c", "the first close counts, never the last", "b</think>c", "b</think>c", ""],
  [
    "use <think>x</think> tags",
    "speaks of the tags: thinking neither begins nor is closed unopened",
    "use <think>x</think> tags",
    "tags",
    "",
  ],
  ["2+2</think> see <think>", "closed unopened; one that opens behind it is text", "see <think>", "see <think>", ""],
  ["use <think> to think", "opened later, never closed", "use <think> to think", null, ""],
  ["", "empty without thinking is a response to judge", "", null, ""],
])("strip-reasoning: %j (%s)", (response, _why, auto, always) => {
  for (const [mode, expected] of [
    ["auto", auto],
    ["always", always],
    ["off", response],
  ] as const) {
    const stripped = stripReasoning(response, mode);
    if (expected === null) expect([mode, stripped.ok]).toEqual([mode, false]);
    else
      expect([mode, stripped]).toEqual([
        mode,
        { ok: true, text: expected, strippedChars: response.length - expected.length },
      ]);
  }
});

test("strip-reasoning: the reason says nothing of the text", () => {
  const stripped = stripReasoning("<think>SECRET", "auto");
  expect(stripped.ok ? "" : stripped.why).not.toContain("SECRET");
});
