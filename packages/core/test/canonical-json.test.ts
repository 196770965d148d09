import { describe, expect, test } from "@jest/globals";
import { canonicalJson } from "../src/canonical-json.ts";
import { pin } from "./pin-identity.ts";

describe("identity: canonical JSON (RFC 8785)", () => {
  test.each<[string, unknown, string]>([
    [
      "keys by UTF-16 unit, as in section 3.2.3",
      { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\u{1f600}": 5, "\u0080": 6, "\u00f6": 7 },
      '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\u{1f600}":5,"\ufb33":3}',
    ],
    [
      "no locale in the order",
      { "a-b": 1, aB: 2, ab: 3, A: 4, "\u00e4": 5 },
      '{"A":4,"a-b":1,"aB":2,"ab":3,"\u00e4":5}',
    ],
    [
      "literals and escapes, as in section 3.2.2",
      {
        numbers: [Number("333333333.33333329"), 1e30, 4.5, 2e-3, 1e-27],
        string: '\u20ac$\u000f\nA\'B"\\\\"/',
        literals: [null, true, false],
      },
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    ],
    [
      "the exponent begins at 1e21",
      [1e20, 1e21, 999999999999999900000],
      "[100000000000000000000,1e+21,999999999999999900000]",
    ],
    ["and below 1e-6", [1e-6, 1e-7], "[0.000001,1e-7]"],
    ["one zero", [-0, 0], "[0,0]"],
    [
      "the extremes",
      [5e-324, Number.MAX_VALUE, -9007199254740991],
      "[5e-324,1.7976931348623157e+308,-9007199254740991]",
    ],
    ["U+2028 and DEL as they are", "\u2028\u007f", '"\u2028\u007f"'],
    ["no Unicode normalisation", ["\u00e9", "e\u0301"], '["\u00e9","e\u0301"]'],
    ["a key named __proto__ like any other", JSON.parse('{"b":1,"__proto__":[{}]}'), '{"__proto__":[{}],"b":1}'],
    ["order of lists is kept", [[3, 1], [], {}], "[[3,1],[],{}]"],
  ])("%s", (_name, value, expected) => {
    pin(canonicalJson(value), expected);
  });

  test.each<[string, unknown]>([
    ["NaN", Number.NaN],
    ["an infinity", { a: [Number.POSITIVE_INFINITY] }],
    ["undefined", undefined],
    ["an undefined member", { a: undefined }],
    ["undefined in a list", [undefined]],
    ["a lone surrogate", { a: ["x\ud800"] }],
    ["a lone surrogate in a key", { "\udc00": 1 }],
    ["two halves in the wrong order", "\ude00\ud83d"],
    ["a bigint", 1n],
    ["a function", { a: () => 1 }],
    ["a symbol", Symbol("s")],
  ])("refuses %s", (_name, value) => {
    expect(() => canonicalJson(value)).toThrow(/^canonicalJson: expected/);
  });
});
