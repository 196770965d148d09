import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { createFieldCutter } from "../src/cut-fields.ts";
import { readJsonl } from "../src/read-jsonl.ts";
import { parts, short, tell } from "./input-of.ts";

const seed = 20_261_125;
const names = ["token_ids", "mask", "a", "é"];

/** The text after the cutter, fed in pieces that end at `cuts`. */
function cut(text: string, cuts: readonly number[] = [], fields: readonly string[] = names): string {
  const bytes = new TextEncoder().encode(text);
  const cutter = createFieldCutter(fields);
  const places = [0, ...cuts.map((at) => at % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  const kept = places.slice(1).map((to, i) => Buffer.from(cutter.push(bytes.subarray(places[i], to))));
  return Buffer.concat(kept).toString("utf8");
}

describe("cut-fields", () => {
  // values with the strings that could mislead: quotes, backslashes, brackets, the names themselves
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom(...names, '"', "\\", '\\"', "]}", '{"a":[', ","),
  );
  const key = fc.oneof(fc.constantFrom(...names), text);
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(key, tie("value"), { maxKeys: 4 }),
    ),
  }));
  const spaces = fc.constantFrom(undefined, 1, "\t");

  test(`named fields of the outermost object become null and nothing else changes (seed ${seed})`, () => {
    fc.assert(
      fc.property(fc.dictionary(key, value, { maxKeys: 6 }), spaces, fc.array(fc.nat()), (object, indent, cuts) => {
        const whole = JSON.stringify(object, null, indent);
        const parsed = JSON.parse(whole) as object;
        const expected = Object.fromEntries(
          Object.entries(parsed).map(([name, kept]) => [name, names.includes(name) ? null : (kept as unknown)]),
        );
        expect(JSON.parse(cut(whole, cuts))).toEqual(expected);
      }),
      { seed, numRuns: 1_000 },
    );
  });

  test(`what is no object comes out as it went in (seed ${seed})`, () => {
    const other = fc.oneof(fc.array(value), text.map(String)).map((found) => JSON.stringify(found));
    fc.assert(
      fc.property(other, fc.array(fc.nat()), (whole, cuts) => expect(cut(whole, cuts)).toBe(whole)),
      { seed },
    );
  });

  test.each([
    ["a name without its colon", '{"a" 1}'],
    ["a colon without a value", '{"a":}'],
    ["a colon before a comma", '{"a":,"b":1}'],
    ["an array that does not end", '{"b":1,"a":[1,2'],
    ["a string that does not end", '{"a":"x'],
    ["a name that does not end", '{"a'],
    ["no end of the object", '{"a":[1]'],
  ])("%s stays no JSON", (_name, broken) => {
    expect(() => JSON.parse(cut(broken)) as unknown).toThrow();
  });

  test("NaN in what is cut, as Python writes it, does no harm", () => {
    expect(JSON.parse(cut('{"a":[NaN,-Infinity],"b":1,"mask":NaN}'))).toEqual({ a: null, b: 1, mask: null });
  });

  test("a line of 40 MB of token ids is read within the limit of 1 kB, with its place", async () => {
    const ids = `[${"151643,".repeat(5_800_000)}1]`;
    const line = `{"content":["Q","A"],"token_ids":${ids},"idx":3}`;
    const whole = new TextEncoder().encode(`{"idx":2}\n${line}\n{"idx":4}\n`);
    const told = await tell(readJsonl(parts(whole, 65_536), { where: "x", maxLineBytes: 1_000, cut: ["token_ids"] }));
    expect(short(told)).toEqual([
      [1, { idx: 2 }],
      [2, { content: ["Q", "A"], token_ids: null, idx: 3 }],
      [3, { idx: 4 }],
    ]);
    expect(told.records.map(({ offset }) => offset)).toEqual([0, 10, 10 + line.length + 1]);
    expect(told.bytes).toBe(whole.length);
  });

  test("the last line is still being written when its cut array has no end", async () => {
    const whole = new TextEncoder().encode('{"idx":1,"a":[1]}\n{"idx":2,"a":[1,2');
    const told = await tell(readJsonl(parts(whole, 5), { where: "x", cut: ["a"] }));
    expect(short(told)).toEqual([[1, { idx: 1, a: null }]]);
    expect(told.torn).toBe(1);
  });
});
