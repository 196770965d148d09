import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { curlCommand } from "../src/curl-command.ts";
import { visibleText } from "../src/visible-text.ts";

const bodyOf = (lines: readonly string[]): unknown =>
  JSON.parse(lines.slice(lines.findIndex((line) => line.endsWith("<<'ASSAY'")) + 1, -1).join("\n"));

test("a request for a shell: the key by its name alone, one field a line, one message a line", () => {
  const body = { model: "m", messages: [{ role: "user", content: "a\n\u200bb" }], logprob_token_ids: [1, 2] };
  expect(curlCommand("http://a:8000/v1/chat/completions", body, true)).toEqual([
    "curl -sS http://a:8000/v1/chat/completions \\",
    "  -H 'Content-Type: application/json' \\",
    '  -H "Authorization: Bearer $ASSAY_ENGINE_KEY" \\',
    "  --data-binary @- <<'ASSAY'",
    "{",
    '  "model": "m",',
    '  "messages": [',
    '    {"role":"user","content":"a\\n\\u200bb"}',
    "  ],",
    '  "logprob_token_ids": [1,2]',
    "}",
    "ASSAY",
  ]);
  expect(curlCommand("http://a/it's", {}, false)[0]).toBe("curl -sS 'http://a/it'\\''s' \\");
});

test("whatever a text holds, the body is the same value, and no line ends the here-document (seed 20261125)", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("ASSAY", "\nASSAY\n", "$(rm)", "`", "\u001b[31m", "\u202e", "\u0000", "'"),
  );
  fc.assert(
    fc.property(text, text, (one, other) => {
      const body = { model: one, messages: [{ role: "user", content: other }], seed: 1 };
      const lines = curlCommand("http://a", body, false);
      expect(bodyOf(lines)).toEqual(body);
      expect(lines.filter((line) => line === "ASSAY")).toHaveLength(1);
      for (const line of lines) expect(visibleText(line)).toBe(line);
    }),
    { seed: 20_261_125 },
  );
});

test.each([
  ["a\u001b[31mb", "a\\u001b[31mb"],
  ["<\u200b|im_end|>", "<\\u200b|im_end|>"],
  ["\u202eabc", "\\u202eabc"],
  ["line\r\nnext", "line\\u000d\\u000anext"],
  ["grüße 🤔 普", "grüße 🤔 普"],
])("nothing of %j is hidden", (text, expected) => {
  expect(visibleText(text)).toBe(expected);
});
