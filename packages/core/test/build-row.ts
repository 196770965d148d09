import type { Row } from "../src/row.ts";

/** A row as a chunk asks it, with the texts a test wants otherwise. */
export function buildRow(parts: { response?: string; principle?: string; prompt?: string } = {}): Row {
  return {
    rowIndex: 5,
    principleIndex: 0,
    principle: parts.principle ?? "correctness",
    line: {
      row_index: 5,
      id: "a:1",
      group: "g",
      input: "a.jsonl",
      input_line: 1,
      response_index: 0,
      messages: [{ role: "user", content: parts.prompt ?? "What is 1+1?" }],
      response: parts.response ?? "1+1=2",
      principles: [],
      carried: null,
    },
  };
}
