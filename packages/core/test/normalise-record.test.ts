import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { normaliseRecord } from "../src/normalise-record.ts";
import { recordLines, serialiseLine } from "../src/record-lines.ts";
import { badCodes } from "../src/row.ts";
import { good, read, usual, whole } from "./read-record.ts";

const seed = 20_261_125;

const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });

describe("normalise-record: conversation and responses", () => {
  test.each<[string, string, { messages: unknown; responses: unknown }]>([
    ["prompt and response", '{"prompt":"Q","response":"A"}', { messages: [user("Q")], responses: ["A"] }],
    ["several responses", '{"prompt":"Q","responses":["A","B"]}', { messages: [user("Q")], responses: ["A", "B"] }],
    [
      "a list under the one name",
      '{"prompt":"Q","response":["A","B"]}',
      { messages: [user("Q")], responses: ["A", "B"] },
    ],
    [
      "messages under the name prompt",
      '{"prompt":[{"role":"user","content":"Q"}],"response":"A"}',
      { messages: [user("Q")], responses: ["A"] },
    ],
    [
      "the last assistant turn is the response",
      '{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}]}',
      { messages: [user("Q")], responses: ["A"] },
    ],
    [
      "of several assistant turns the last alone",
      '{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"},{"role":"user","content":"R"},{"role":"assistant","content":"B"}]}',
      { messages: [user("Q"), assistant("A"), user("R")], responses: ["B"] },
    ],
    [
      "an assistant turn stays where a response is given",
      '{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}],"response":"B"}',
      { messages: [user("Q"), assistant("A")], responses: ["B"] },
    ],
    [
      "messages before prompt",
      '{"prompt":"x","messages":[{"role":"system","content":"S"},{"role":"user","content":"Q"}],"response":"A"}',
      { messages: [{ role: "system", content: "S" }, user("Q")], responses: ["A"] },
    ],
    [
      "text parts are joined",
      '{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":" b"}]}],"response":"A"}',
      { messages: [user("a b")], responses: ["A"] },
    ],
    [
      "other fields of a message are left out",
      '{"messages":[{"content":"Q","name":"n","role":"user"}],"response":"A"}',
      { messages: [user("Q")], responses: ["A"] },
    ],
    [
      "text is kept as given",
      '{"prompt":" Q\\r\\n","response":"e\\u0301 "}',
      { messages: [user(" Q\r\n")], responses: ["e\u0301 "] },
    ],
    [
      "an empty turn beside no calls",
      '{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"","tool_calls":[]}]}',
      { messages: [user("Q")], responses: [""] },
    ],
    ["an empty response is data", '{"prompt":"Q","response":""}', { messages: [user("Q")], responses: [""] }],
    [
      "null is absent",
      '{"prompt":"Q","messages":null,"response":"A","responses":null}',
      { messages: [user("Q")], responses: ["A"] },
    ],
    [
      "so is an empty list",
      '{"prompt":"Q","response":"A","responses":[]}',
      { messages: [user("Q")], responses: ["A"] },
    ],
  ])("%s", (_name, json, expected) => {
    const { messages, responses } = good(json, { principles: ["p"] });
    expect({ messages, responses }).toEqual(expected);
  });

  test.each([
    ['{"prompt":"x","messages":[{"role":"user","content":"Q"}],"response":"A"}', "prompt", "messages"],
    ['{"prompt":"Q","response":"A","responses":["B"]}', "response", "responses"],
    ['{"prompt":"Q","response":"A","principle":"q","principles":["r"]}', "principle", "principles"],
  ])("of two ways to say one thing the one that is not read is named: %s", (json, unread, read) => {
    expect(good(json, { principles: ["p"] }).notes).toEqual([`${unread} is not read where ${read} stands beside it`]);
  });

  test.each([
    '{"prompt":"Q","messages":null,"response":"A","responses":[],"principle":"p","principles":null}',
    '{"prompt":null,"messages":[{"role":"user","content":"Q"}],"response":[],"responses":["A"],"principle":"p"}',
  ])("what says nothing is no such way: %s", (json) => {
    expect(good(json).notes).toBeUndefined();
  });

  test.each<[string, string, string, string?]>([
    ["no conversation", '{"response":"A","principle":"p"}', "missing_prompt", "prompt"],
    ["null for it", '{"prompt":null,"response":"A","principle":"p"}', "missing_prompt", "prompt"],
    ["no response", '{"prompt":"Q","principle":"p"}', "missing_response", "response"],
    ["an empty list of responses", '{"prompt":"Q","responses":[],"principle":"p"}', "missing_response", "response"],
    [
      "messages that end in a user turn",
      '{"messages":[{"role":"user","content":"Q"}],"principle":"p"}',
      "missing_response",
      "response",
    ],
    ["no messages", '{"messages":[],"response":"A","principle":"p"}', "empty_conversation", "messages"],
    [
      "nothing before the response",
      '{"messages":[{"role":"assistant","content":"A"}],"principle":"p"}',
      "empty_conversation",
      "messages",
    ],
    [
      "a role that the profile does not know",
      '{"messages":[{"role":"tool","content":"Q"}],"response":"A","principle":"p"}',
      "unknown_role",
      "messages[0].role",
    ],
    [
      "the judge's own role",
      '{"messages":[{"role":"user","content":"Q"},{"role":"principle","content":"yes"}],"response":"A","principle":"p"}',
      "unknown_role",
      "messages[1].role",
    ],
    [
      "an image",
      '{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}]}],"response":"A","principle":"p"}',
      "unsupported_content",
      "messages[0].content[1]",
    ],
    [
      "a response that is the last turn, too",
      '{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}],"response":"A","principle":"p"}',
      "unsupported_content",
      "response, which ends the conversation already",
    ],
    [
      "a turn that only calls a tool",
      '{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"","tool_calls":[{"id":"c"}]}],"principle":"p"}',
      "unsupported_content",
      "messages[1].tool_calls",
    ],
    [
      "a part that is text itself",
      '{"messages":[{"role":"user","content":["a"]}],"response":"A","principle":"p"}',
      "unsupported_content",
      "messages[0].content[0]",
    ],
    [
      "a text part without text",
      '{"messages":[{"role":"user","content":[{"type":"text"}]}],"response":"A","principle":"p"}',
      "unsupported_content",
      "messages[0].content[0]",
    ],
    ["prompt a number", '{"prompt":1,"response":"A","principle":"p"}', "wrong_type", "prompt"],
    ["messages a text", '{"messages":"Q","response":"A","principle":"p"}', "wrong_type", "messages"],
    ["a message a text", '{"messages":["Q"],"response":"A","principle":"p"}', "wrong_type", "messages[0]"],
    ["a message a list", '{"messages":[["user","Q"]],"response":"A","principle":"p"}', "wrong_type", "messages[0]"],
    [
      "a role a number",
      '{"messages":[{"role":1,"content":"Q"}],"response":"A","principle":"p"}',
      "wrong_type",
      "messages[0].role",
    ],
    [
      "content null",
      '{"messages":[{"role":"user","content":null}],"response":"A","principle":"p"}',
      "wrong_type",
      "messages[0].content",
    ],
    ["a response an object", '{"prompt":"Q","response":{},"principle":"p"}', "wrong_type", "response"],
    [
      "one of the responses null",
      '{"prompt":"Q","responses":["A",null],"principle":"p"}',
      "wrong_type",
      "responses[1]",
    ],
    ["responses a text", '{"prompt":"Q","responses":"A","principle":"p"}', "wrong_type", "responses"],
  ])("bad: %s", (_name, json, bad, field) => {
    expect(read(json)).toEqual({ ok: false, bad, field });
  });

  test.each(["[]", '"text"', "1", "null", "true"])("not an object: %s", (json) => {
    expect(read(json)).toEqual({ ok: false, bad: "not_an_object" });
  });
});

describe("normalise-record: principles", () => {
  const noneGiven = '{"prompt":"Q","response":"A"}';

  test("the record's own, one or several", () => {
    expect(good(whole()).principles).toEqual(["p"]);
    expect(good('{"prompt":"Q","response":"A","principles":["p","q","p"]}').principles).toEqual(["p", "q", "p"]);
    expect(good('{"prompt":"Q","response":"A","principle":["p","q"]}').principles).toEqual(["p", "q"]);
    expect(good('{"prompt":"Q","response":"A","principle":"p","principles":[]}').principles).toEqual(["p"]);
  });

  test("--principle where the record brings none, and only there", () => {
    expect(good(noneGiven, { principles: ["a", "b"] }).principles).toEqual(["a", "b"]);
    expect(good('{"prompt":"Q","response":"A","principles":[]}', { principles: ["a"] }).principles).toEqual(["a"]);
    expect(good('{"prompt":"Q","response":"A","principle":null}', { principles: ["a"] }).principles).toEqual(["a"]);
    expect(good(whole(), { principles: ["a"] }).principles).toEqual(["p"]);
  });

  test.each([
    ["none anywhere", noneGiven],
    ["empty", '{"prompt":"Q","response":"A","principle":""}'],
    ["white space", '{"prompt":"Q","response":"A","principles":["p"," \\n"]}'],
  ])("bad: %s", (_name, json) => {
    expect(read(json)).toEqual({ ok: false, bad: "missing_principle", field: "principle" });
  });

  test("a wrong type is one, also where --principle could help out", () => {
    expect(read('{"prompt":"Q","response":"A","principle":1}', { principles: ["a"] })).toEqual({
      ok: false,
      bad: "wrong_type",
      field: "principle",
    });
  });
});

describe("normalise-record: id and group", () => {
  test.each<[string, string | null]>([
    ['"x"', "x"],
    ["17", "17"],
    ["-17", "-17"],
    ["9007199254740991", "9007199254740991"],
    ["1e3", "1000"],
    ["null", null],
    ['""', ""],
  ])("%s is %j", (json, expected) => {
    const record = good(whole(`,"id":${json},"group":${json}`));
    expect([record.id, record.group]).toEqual([expected, expected]);
  });

  test.each([
    ["9007199254740993", "unsafe_integer"],
    ["9007199254740992", "unsafe_integer"],
    ["-18446744073709551615", "unsafe_integer"],
    ["1e300", "unsafe_integer"],
    ["1e400", "wrong_type"],
    ["1.5", "wrong_type"],
    ["true", "wrong_type"],
    ["{}", "wrong_type"],
    ['"\\ud800"', "lone_surrogate"],
  ])("%s is %s, and the field is named", (json, bad) => {
    expect(read(whole(`,"id":${json}`))).toEqual({ ok: false, bad, field: "id" });
    expect(read(whole(`,"group":${json}`))).toEqual({ ok: false, bad, field: "group" });
  });
});

describe("normalise-record: --map", () => {
  test("other names for ours; what stands under our own names is carried then", () => {
    const map = { prompt: "input", response: "output", id: "uid" };
    expect(good('{"input":"Q","output":"A","uid":7,"principle":"p","prompt":"x","id":"y"}', { map })).toMatchObject({
      id: "7",
      messages: [user("Q")],
      responses: ["A"],
      carried: { prompt: "x", id: "y" },
    });
  });

  test("a fault names their field", () => {
    const map = { response: "output" };
    expect(read(whole(), { map })).toEqual({ ok: false, bad: "missing_response", field: "output" });
    expect(read('{"prompt":"Q","output":1,"principle":"p"}', { map })).toEqual({
      ok: false,
      bad: "wrong_type",
      field: "output",
    });
  });

  test("a name from the prototype is no field", () => {
    expect(read('{"response":"A","principle":"p"}', { map: { prompt: "constructor" } })).toMatchObject({
      bad: "missing_prompt",
    });
    expect(read('{"response":"A","principle":"p"}', { map: { prompt: "__proto__" } })).toMatchObject({
      bad: "missing_prompt",
    });
    expect(good('{"__proto__":"Q","response":"A","principle":"p"}', { map: { prompt: "__proto__" } }).messages).toEqual(
      [user("Q")],
    );
  });
});

describe("normalise-record: any JSON value", () => {
  const field = fc.constantFrom(
    "id",
    "group",
    "prompt",
    "messages",
    "response",
    "responses",
    "principle",
    "principles",
    "role",
    "content",
    "type",
    "text",
    "__proto__",
    "constructor",
    "x",
  );
  const scalar = fc.oneof(
    fc.constantFrom("user", "assistant", "text", "", "\ud800", "9".repeat(2_000)),
    fc.string({ unit: "binary" }),
    fc.double(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.constantFrom(2 ** 53, -(2 ** 60), 1e21),
    fc.boolean(),
    fc.constant(null),
  );
  const { value: anyValue } = fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: "small", withCrossShrink: true }, scalar, tie("list"), tie("object")),
    list: fc.array(tie("value"), { maxLength: 4 }),
    object: fc.array(fc.tuple(field, tie("value")), { maxLength: 8 }).map((entries) => Object.fromEntries(entries)),
  }));

  test(`is a record whose lines can be stored, or a code (seed ${seed})`, () => {
    let records = 0;
    fc.assert(
      fc.property(anyValue, fc.boolean(), (value, carryAll) => {
        const record = normaliseRecord(value, { ...usual, principles: ["p"], carryAll });
        if (!record.ok) {
          expect(badCodes).toContain(record.bad);
          expect((record.field ?? "").isWellFormed()).toBe(true);
          return;
        }
        records += 1;
        for (const line of recordLines(record, { input: "a.jsonl", inputLine: 1, offset: 0, rowIndex: 0 })) {
          const text = serialiseLine(line);
          expect(text.isWellFormed()).toBe(true);
          expect(`${JSON.stringify(JSON.parse(text))}\n`).toBe(text);
        }
      }),
      { seed, numRuns: 5_000 },
    );
    // random values are hardly ever whole: these are
    const wholes = fc.record({ prompt: fc.string({ unit: "binary" }), response: fc.string(), x: anyValue });
    fc.assert(
      fc.property(wholes, (value) => {
        if (normaliseRecord(value, { ...usual, principles: ["p"], carryAll: true }).ok) records += 1;
      }),
      { seed, numRuns: 500 },
    );
    expect(records).toBeGreaterThan(100);
  });
});
