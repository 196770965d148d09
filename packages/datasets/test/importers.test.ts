import type { UserColumn } from "@assay/core";
import { describe, expect, test } from "@jest/globals";
import { chooseFormat } from "../src/choose-format.ts";
import { importerByName, importerOf } from "../src/detect-format.ts";
import { importers } from "../src/importers.ts";
import { inputOf } from "./input-of.ts";
import { fixture, linesOf } from "./read-fixture.ts";

/** Longer than usual: what every importer makes of its fixture, line by line, is one table. */

interface Expected {
  readonly file: string;
  /** id | conversation => response | principles | carried; or the code of a bad record and its field */
  readonly lines: readonly string[];
  readonly notes?: readonly string[];
  readonly leftOut?: readonly string[];
}

const expected: { readonly [format: string]: Expected } = {
  csv: {
    file: "records.csv",
    lines: [
      'a1 | user: 2+2? => 4 | correctness | {"score":0.5,"kind":"sum"}',
      'a2 | user: Say "hi",\nplease => hi | tone, and length | {"score":null,"kind":"talk"}',
      'records:5 | system: Be brief. | user: 2+2? => 4 | correctness | {"score":1,"kind":"sum"}',
      "wrong_type (score)",
    ],
  },
  "helpsteer3-principle": {
    file: "helpsteer3-principle.jsonl",
    lines: [
      'helpsteer3-principle:1 | user: Add 1 to x => x += 1 | conciseness | {"domain":"code","language":"python","fulfilment":"Yes"}',
      'helpsteer3-principle:2 | user: Hi | assistant: Hello | user: Name a planet => The Moon | accuracy of information | {"domain":"general","language":"english","fulfilment":"No"}',
      "wrong_type (fulfilment)",
    ],
  },
  "helpsteer3-preference": {
    file: "helpsteer3-preference.jsonl",
    lines: [
      'helpsteer3-preference:1 | user: Say hello => Hello. | correctness | {"domain":"general","language":"english","overall_preference":-3,"individual_scores":"[-3,-2]"}',
      'helpsteer3-preference:1 | user: Say hello => Go away. | correctness | {"domain":"general","language":"english","overall_preference":-3,"individual_scores":"[-3,-2]"}',
      'helpsteer3-preference:2 | user: What is 2+2? => 4 | correctness | {"domain":"stem","language":"english","overall_preference":0,"individual_preference":null,"individual_scores":null}',
      'helpsteer3-preference:2 | user: What is 2+2? => four | correctness | {"domain":"stem","language":"english","overall_preference":0,"individual_preference":null,"individual_scores":null}',
      "missing_response (response2)",
    ],
    leftOut: ["individual_preference"],
  },
  "helpsteer3-feedback": {
    file: "helpsteer3-feedback.jsonl",
    lines: [
      'helpsteer3-feedback:1 | user: Say hello => Hello. | correctness | {"domain":"general","language":"english","feedback":"[\\"Friendly and short.\\",\\"Does what was asked.\\"]"}',
      'helpsteer3-feedback:1 | user: Say hello => Go away. | correctness | {"domain":"general","language":"english","feedback":"[\\"Rude.\\"]"}',
      "wrong_type (feedback1)",
    ],
  },
  "helpsteer3-edit": {
    file: "helpsteer3-edit.jsonl",
    lines: [
      'helpsteer3-edit:1 | user: Greet me => Hi | correctness | {"domain":"general","language":"english","change_summary":"Made it a sentence.","version":"original","feedback":"[\\"A little bare.\\"]"}',
      'helpsteer3-edit:1 | user: Greet me => Hi there. | correctness | {"domain":"general","language":"english","change_summary":"Made it a sentence.","version":"edited","feedback":null}',
      "missing_response (edited_response)",
    ],
  },
  "helpsteer3-edit-quality": {
    file: "helpsteer3-edit-quality.jsonl",
    lines: [
      'helpsteer3-edit-quality:1 | user: Greet me => Hi | correctness | {"domain":"general","language":"english","version":"original","feedback":"[\\"A little bare.\\"]"}',
      'helpsteer3-edit-quality:1 | user: Greet me => Hi there. | correctness | {"domain":"general","language":"english","version":"good_edited","feedback":null}',
      'helpsteer3-edit-quality:1 | user: Greet me => Bye. | correctness | {"domain":"general","language":"english","version":"bad_edited","feedback":null}',
      "empty_conversation (context)",
    ],
  },
  "rm-bench": {
    file: "math_filtered.json",
    lines: [
      'math:7 | user: 2+2? => 4 | correctness | {"subset":"sums","domain":"math","chosen":true,"style":0}',
      'math:7 | user: 2+2? => It is 4. | correctness | {"subset":"sums","domain":"math","chosen":true,"style":1}',
      'math:7 | user: 2+2? => **4** | correctness | {"subset":"sums","domain":"math","chosen":true,"style":2}',
      'math:7 | user: 2+2? => 5 | correctness | {"subset":"sums","domain":"math","chosen":false,"style":0}',
      'math:7 | user: 2+2? => It is 5. | correctness | {"subset":"sums","domain":"math","chosen":false,"style":1}',
      'math:7 | user: 2+2? => **5** | correctness | {"subset":"sums","domain":"math","chosen":false,"style":2}',
      "wrong_type (chosen)",
    ],
  },
  judgebench: {
    file: "judgebench.jsonl",
    lines: [
      '00000000-0000-5000-8000-000000000001 | user: Is it legal? => Yes. | correctness | {"original_id":"12","source":"mmlu-pro-law","response_model":"some-model","label":"A>B","side":"A"}',
      '00000000-0000-5000-8000-000000000001 | user: Is it legal? => No. | correctness | {"original_id":"12","source":"mmlu-pro-law","response_model":"some-model","label":"A>B","side":"B"}',
      '00000000-0000-5000-8000-000000000002 | user: 1+1? => 3 | correctness | {"original_id":null,"source":"livebench-math","response_model":"some-model","label":"B>A","side":"A"}',
      '00000000-0000-5000-8000-000000000002 | user: 1+1? => 2 | correctness | {"original_id":null,"source":"livebench-math","response_model":"some-model","label":"B>A","side":"B"}',
      "wrong_type (label)",
    ],
  },
  "rewardbench-2": {
    file: "rewardbench-2.jsonl",
    lines: [
      '12 | user: Name the capital of France => Paris | correctness | {"num_correct":1,"total_completions":4,"subset":"Factuality","chosen":true}',
      '12 | user: Name the capital of France => Lyon | correctness | {"num_correct":1,"total_completions":4,"subset":"Factuality","chosen":false}',
      '12 | user: Name the capital of France => Nice | correctness | {"num_correct":1,"total_completions":4,"subset":"Factuality","chosen":false}',
      '12 | user: Name the capital of France => Lille | correctness | {"num_correct":1,"total_completions":4,"subset":"Factuality","chosen":false}',
      'tied:3 | user: Name a colour => red | correctness | {"num_correct":2,"total_completions":3,"subset":"Ties","chosen":true}',
      'tied:3 | user: Name a colour => blue | correctness | {"num_correct":2,"total_completions":3,"subset":"Ties","chosen":true}',
      'tied:3 | user: Name a colour => dog | correctness | {"num_correct":2,"total_completions":3,"subset":"Ties","chosen":false}',
      "missing_response (chosen)",
    ],
  },
  verl: {
    file: "verl.jsonl",
    lines: [
      'verl:1 | user: 2+2? => 4 | correctness | {"gts":"4","score":1,"step":10,"acc":1}',
      'verl:2 | system: Be brief. | user: 2+2? => two and two</think>4 | correctness | {"gts":"[\\"4\\",\\"four\\"]","score":0.5,"step":10,"request_id":"r-1"}',
      'verl:3 | user: 2+2= => 4 | correctness | {"gts":null,"score":null,"step":11}',
      "missing_response (output)",
    ],
    notes: [
      "flat prompt read as turns of ChatML without its marks",
      "flat prompt read as turns of ChatML",
      "flat prompt of no known template read as one user turn",
    ],
  },
  trl: {
    file: "trl.jsonl",
    lines: [
      'trl:1 | user: 2+2? => 4 | correctness | {"step":10,"accuracy_reward":1,"advantage":0.5}',
      'trl:2 | user: 2+2= => 5 | correctness | {"step":10,"accuracy_reward":0,"advantage":-0.5}',
      "missing_response (completion)",
    ],
    notes: ["flat prompt read as turns of ChatML", "flat prompt of no known template read as one user turn"],
  },
  "nemo-rl": {
    file: "nemo-rl-train_data_step12.jsonl",
    lines: [
      'nemo-rl-train_data_step12:1 | user: 2+2? => 4 | correctness | {"input_lengths":9,"idx":0,"reward":1,"step":12}',
      'nemo-rl-train_data_step12:2 | user: Question: 2+2? => It is 4. | correctness | {"input_lengths":7,"idx":1,"reward":0,"step":12}',
      "missing_response (content)",
    ],
    notes: ["content read as turns of ChatML", "flat prompt of no known template read as one user turn"],
  },
  "nemo-gym": {
    file: "nemo-gym.jsonl",
    lines: [
      'nemo-gym:1 | system: Be brief. | user: 2+2? => 4 | correctness | {"reward":1,"dataset":"sums","task_index":0,"rollout_index":1}',
      'nemo-gym:2 | system: You book tables. | user: Book a table => It is booked. | correctness | {"reward":0,"task_index":1,"rollout_index":0}',
      "missing_response (response)",
    ],
    notes: ["rollout with calls of tools, of which only the last message is judged"],
    leftOut: ["agent_ref"],
  },
  "openai-chat": {
    file: "openai-chat.jsonl",
    lines: [
      "openai-chat:1 | system: Be brief. | user: 2+2? => 4 | correctness | null",
      "openai-chat:2 | user: 2+2? => 4 | conciseness | null",
      "unsupported_content (messages[1].tool_calls)",
      "unsupported_content (messages[1].tool_calls)",
    ],
  },
  "openai-batch": {
    file: "openai-batch.jsonl",
    lines: [
      "row-1 | user: 2+2? => 4 | correctness | null",
      "row-2 | user: 2+2? => 4 | correctness | null",
      "row-2 | user: 2+2? => 5 | correctness | null",
      "missing_prompt (body)",
    ],
  },
};

const asked: { readonly [format: string]: readonly UserColumn[] } = { csv: [{ name: "score", type: "double" }] };

describe("importers", () => {
  test("each has a fixture, and a name and columns of its own", () => {
    const names = importers.map(({ name }) => name);
    expect([...Object.keys(expected), "records"].sort()).toEqual([...names].sort());
    for (const { columns } of importers) {
      expect(new Set(columns.map(({ name }) => name)).size).toBe(columns.length);
    }
  });

  test.each(Object.entries(expected))("%s: what its records become", async (name, { file, lines, notes, leftOut }) => {
    const read = await linesOf(importerByName(name), file, inputOf(fixture(file)), asked[name]);
    expect(read.lines).toEqual(lines);
    expect(read.notes).toEqual(notes ?? []);
    expect(read.leftOut).toEqual(leftOut ?? []);
  });

  test.each(Object.entries(expected))("%s is found by its own fields, alone", async (name, { file }) => {
    const found = await chooseFormat([{ input: file, where: file, ...inputOf(fixture(file)) }]);
    expect(found.name).toBe(name);
  });

  test("an output of OpenAI's Batch alone is refused with the line that joins it with its requests", () => {
    let refused: unknown;
    try {
      importerOf(["id", "custom_id", "response", "error"], "output.jsonl", "in/output.jsonl");
    } catch (error) {
      refused = error;
    }
    expect(refused).toMatchObject({
      code: "E_INPUT_BAD",
      where: "in/output.jsonl",
      next: expect.stringContaining("jq "),
    });
  });

  test("records of our own shape are nobody's", () => {
    for (const fields of [
      ["prompt", "response", "principle"],
      ["id", "messages", "response", "principles", "group"],
      ["prompt", "responses", "domain", "score", "step"],
      ["prompt", "chosen", "rejected"],
      [],
    ]) {
      expect(importerOf(fields, "a.jsonl", "a.jsonl").name).toBe("records");
    }
  });

  test("two that claim the same fields are E_USAGE, with what to say", () => {
    const fields = ["responses_create_params", "pair_id", "question", "response_A", "response_B", "label"];
    expect(() => importerOf(fields, "a.jsonl", "/d/a.jsonl")).toThrow(
      expect.objectContaining({ code: "E_USAGE", where: "/d/a.jsonl", next: expect.stringContaining("--format ") }),
    );
    expect(() => importerByName("judge-bench")).toThrow(
      expect.objectContaining({ code: "E_USAGE", expected: expect.stringContaining("judgebench") }),
    );
  });

  test("an input of another format than the first one ends the reading", async () => {
    const second = inputOf(fixture("verl.jsonl"));
    await expect(linesOf(importerByName("judgebench"), "verl.jsonl", second)).rejects.toMatchObject({
      code: "E_USAGE",
      where: "verl.jsonl",
      expected: "judgebench",
      got: "verl",
    });
  });

  test("messages that need no importer become the same lines with and without one", async () => {
    const text = '{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}],"n":1}\n';
    const [chat, own] = await Promise.all([
      linesOf(importerByName("openai-chat"), "a.jsonl", inputOf(text)),
      linesOf({ ...importerByName("records"), name: "openai-chat" }, "a.jsonl", inputOf(text)),
    ]);
    expect(chat).toEqual(own);
    expect(chat.lines).toEqual(['a:1 | user: Q => A | correctness | {"n":1}']);
  });

  test("rollouts of one prompt are a group within their step only", async () => {
    const line = (step: number): string => `{"input":"Q","output":"A","score":1,"step":${step}}\n`;
    const { groups } = await linesOf(importerByName("verl"), "a.jsonl", inputOf(line(1) + line(1) + line(2)));
    expect(groups[0]).toBe(groups[1]);
    expect(groups[2]).not.toBe(groups[0]);
  });

  test.each([
    ["chat_filtered.json", "chat:7"],
    ["code_filtered.json.gz", "code:7"],
    ["safety-refuse_filtered.json", "safety-refuse:7"],
    ["safety-response_filtered.jsonl", "safety-response:7"],
    ["elsewhere/math.json", "math:7"],
    ["chatter.json", "7"],
  ])("RM-Bench: the domain of %s is part of the id: %s", async (input, id) => {
    const [line] = (await linesOf(importerByName("rm-bench"), input, inputOf(fixture("math_filtered.json")))).lines;
    expect(line).toMatch(new RegExp(`^${id} \\|`));
  });

  test("RM-Bench: a domain in the record comes before the file's name", async () => {
    const total = JSON.parse(Buffer.from(fixture("math_filtered.json")).toString()) as object[];
    const bytes = JSON.stringify(total.map((record) => ({ ...record, domain: "chat" })));
    const [line] = (await linesOf(importerByName("rm-bench"), "code_filtered.json", inputOf(bytes))).lines;
    expect(line).toMatch(/^chat:7 \|.*"domain":"chat"/);
  });
});

test.each(["openai-chat", "openai-batch"])(
  "%s: calls of tools beside a text are counted, as they are not shown",
  (name) => {
    const importer = importerByName(name);
    const said = (message: object): unknown => {
      const messages = [
        { role: "user", content: "Q" },
        { role: "assistant", content: "A", ...message },
      ];
      const raw = name === "openai-chat" ? { messages } : { custom_id: "1", body: { messages } };
      return importer.toRecord(raw, { input: "a.jsonl", columns: [], map: {} }).note;
    };
    expect(said({ tool_calls: [{ id: "1" }] })).toMatch(/calls of tools/);
    for (const none of [{}, { tool_calls: null }, { tool_calls: [] }]) expect(said(none)).toBeUndefined();
  },
);
