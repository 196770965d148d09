import { describe, expect, test } from "@jest/globals";
import { promptPrefix } from "../src/prompt-prefix.ts";
import type { ResponseLine } from "../src/row.ts";

const line: ResponseLine = {
  row_index: 0,
  id: "in:1",
  group: "mine",
  input: "in.jsonl",
  input_line: 1,
  response_index: 0,
  messages: [{ role: "user", content: "What is 1+1?" }],
  response: "2",
  principles: ["a", "b"].map((text, i) => ({ row_index: i, principle_index: i, text })),
  carried: null,
};

describe("prompt-prefix", () => {
  test("the conversation's is the hash that a group has by default", () => {
    expect(promptPrefix(line).conversation).toBe("711f2d08e0293023");
  });

  test("labels and principles are no part of it", () => {
    const other = { ...line, id: "x", group: "y", row_index: 7, input_line: 9, carried: { a: 1 } };
    const principles = line.principles.map((principle) => ({ ...principle, text: "c" }));
    expect(promptPrefix({ ...other, principles })).toEqual(promptPrefix(line));
  });

  test("another response shares the conversation alone, another conversation nothing", () => {
    const response = promptPrefix({ ...line, response: "3" });
    expect(response.conversation).toBe(promptPrefix(line).conversation);
    expect(response.response).not.toBe(promptPrefix(line).response);
    const conversation = promptPrefix({ ...line, messages: [{ role: "user", content: "What is 1+2?" }] });
    expect(conversation.conversation).not.toBe(promptPrefix(line).conversation);
    expect(conversation.response).not.toBe(promptPrefix(line).response);
  });

  test("a line with one principle has no siblings to be near to", () => {
    expect(promptPrefix({ ...line, principles: line.principles.slice(0, 1) }).response).toBeNull();
  });
});
