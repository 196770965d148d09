import { describe, expect, test } from "@jest/globals";
import { normaliseRecord, type RecordSettings } from "../src/normalise-record.ts";
import { good, read, usual, whole } from "./read-record.ts";

describe("normalise-record: carried", () => {
  const scalars = ',"s":"t","n":0.5,"b":false,"z":null';

  test("short scalars by default; lists, objects and long texts are named as left out", () => {
    const long = "x".repeat(999);
    const record = good(whole(`${scalars},"long":"${long}","list":[1],"object":{"a":1}`));
    expect(record.carried).toEqual({ s: "t", n: 0.5, b: false, z: null });
    expect(record.leftOut).toEqual(["long", "list", "object"]);
    expect(good(whole()).carried).toBeNull();
    expect(good(whole(',"list":[1]')).carried).toBeNull();
  });

  test.each([
    ["998 characters and their quotes", "x".repeat(998), true],
    ["999", "x".repeat(999), false],
    ["bytes, not characters", "\u65e5".repeat(333), false],
    ["as JSON writes it", "\n".repeat(500), false],
  ])("the limit of 1,000 bytes: %s", (_name, text, carried) => {
    const record = good(whole(`,"s":${JSON.stringify(text)}`));
    expect(record.carried).toEqual(carried ? { s: text } : null);
    expect(record.leftOut).toEqual(carried ? [] : ["s"]);
  });

  test("--carry-all carries the rest as well", () => {
    const more = `,"long":"${"x".repeat(5_000)}","list":[1,{"a":null}]`;
    expect(good(whole(more), { carryAll: true })).toMatchObject({
      carried: { long: "x".repeat(5_000), list: [1, { a: null }] },
      leftOut: [],
    });
  });

  test("a field named __proto__ is data like any other, at any depth", () => {
    const record = good(whole(',"__proto__":"own","o":{"__proto__":{"role":"x"}}'), { carryAll: true });
    expect(JSON.stringify(record.carried)).toBe('{"__proto__":"own","o":{"__proto__":{"role":"x"}}}');
    expect(({} as { role?: unknown }).role).toBeUndefined();
    expect(read('{"__proto__":{"prompt":"Q"},"response":"A","principle":"p"}')).toMatchObject({
      bad: "missing_prompt",
    });
    expect(
      read('{"messages":[{"__proto__":{"role":"user","content":"Q"}}],"response":"A","principle":"p"}'),
    ).toMatchObject({
      bad: "wrong_type",
      field: "messages[0].role",
    });
  });

  test.each<[string, string, string, string]>([
    ["beyond 2^53", '"n":9007199254740992', "unsafe_integer", "n"],
    ["below", '"n":-9007199254740993', "unsafe_integer", "n"],
    ["an infinity, which JSON would write as null", '"n":1e400', "wrong_type", "n"],
    ["half a character", '"s":"\\ud83d"', "lone_surrogate", "s"],
    ["half a character in a name", '"\\udc00":1', "lone_surrogate", "(a field's name)"],
    ["half a character deep in what is left out", '"o":{"a":["x","\\ud800"]}', "lone_surrogate", "o.a[1]"],
    ["half a character in a name in there", '"o":{"\\ud800":1}', "lone_surrogate", "o"],
  ])("bad: %s", (_name, more, bad, field) => {
    expect(read(whole(`,${more}`))).toEqual({ ok: false, bad, field });
  });

  test("an integer that JSON rounded is bad where it is carried, also deep inside, and nobody's affair where it is not", () => {
    const more = ',"meta":{"ids":[1,9007199254740993]}';
    expect(read(whole(more), { carryAll: true })).toEqual({ ok: false, bad: "unsafe_integer", field: "meta.ids[1]" });
    expect(read(whole(',"meta":{"n":1e400}'), { carryAll: true })).toEqual({
      ok: false,
      bad: "wrong_type",
      field: "meta.n",
    });
    expect(good(whole(more))).toMatchObject({ carried: null, leftOut: ["meta"] });
  });

  test("a number that no integer is written as is a measurement", () => {
    expect(good(whole(',"n":1e21,"m":-2.5e300,"k":9007199254740991,"d":0.1')).carried).toEqual({
      n: 1e21,
      m: -2.5e300,
      k: 9_007_199_254_740_991,
      d: 0.1,
    });
  });

  test("what is nested beyond all measure is bad, not the end of the process", () => {
    const nested = (depth: number): string => `,"o":${"[".repeat(depth)}${"]".repeat(depth)}`;
    for (const carryAll of [false, true]) {
      expect(read(whole(nested(100_000)), { carryAll })).toEqual({ ok: false, bad: "unsupported_content", field: "o" });
      expect(good(whole(nested(200)), { carryAll }).leftOut).toEqual(carryAll ? [] : ["o"]);
    }
  });
});

describe("normalise-record: --carry name:type", () => {
  const columns = [
    { name: "label", type: "string" as const },
    { name: "score", type: "double" as const },
    { name: "turn", type: "int64" as const },
    { name: "gold", type: "boolean" as const },
  ];

  test("what fits is carried, long texts too; absent and null are no fault", () => {
    const long = "x".repeat(5_000);
    expect(good(whole(`,"label":"${long}","score":3,"turn":-4,"gold":true`), { columns }).carried).toEqual({
      label: long,
      score: 3,
      turn: -4,
      gold: true,
    });
    expect(good(whole(',"label":null,"score":null,"turn":null,"gold":null'), { columns }).carried).toEqual({
      label: null,
      score: null,
      turn: null,
      gold: null,
    });
    expect(good(whole(), { columns }).carried).toBeNull();
  });

  test.each([
    ["label", "1"],
    ["label", "[]"],
    ["score", '"1"'],
    ["score", "true"],
    ["score", "1e400"],
    ["turn", "1.5"],
    ["turn", '"1"'],
    ["turn", "1e300"],
    ["gold", "1"],
    ["gold", '"true"'],
    ["gold", "{}"],
  ])("%s of %s is bad, never a null", (name, json) => {
    expect(read(whole(`,"${name}":${json}`), { columns })).toEqual({ ok: false, bad: "wrong_type", field: name });
  });

  test("one of our own fields is carried when asked for", () => {
    expect(good(whole(',"id":7'), { columns: [{ name: "id", type: "int64" }] })).toMatchObject({
      id: "7",
      carried: { id: 7 },
    });
  });
});

describe("normalise-record: what an importer knows of each response", () => {
  const settings: RecordSettings = { ...usual, columns: [{ name: "side", type: "string" }] };
  const pair = { prompt: "Q", responses: ["A", "B"], principle: "p" };

  test("is kept beside what is carried, and has to fit its column", () => {
    const sides = [{ side: "A" }, { side: null }];
    expect(normaliseRecord(pair, settings, sides)).toMatchObject({ ok: true, carried: null, perResponse: sides });
    expect(normaliseRecord(pair, settings)).not.toHaveProperty("perResponse");
    expect(normaliseRecord(pair, settings, [{ side: "A" }, { side: 2 }])).toEqual({
      ok: false,
      bad: "wrong_type",
      field: "side of response 2",
    });
    expect(normaliseRecord(pair, settings, [{ side: "\ud800" }, {}])).toMatchObject({ bad: "lone_surrogate" });
  });

  test("is for as many responses as there are, in columns of the batch; else the importer is wrong", () => {
    expect(() => normaliseRecord(pair, settings, [{ side: "A" }])).toThrow(TypeError);
    expect(() => normaliseRecord(pair, usual, [{ side: "A" }, { side: "B" }])).toThrow(TypeError);
  });
});
