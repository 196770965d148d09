import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { readJsonArray } from "../src/read-json-array.ts";
import { parts, short, tell } from "./input-of.ts";

const seed = 20_261_125;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const read = (text: string | Uint8Array, partBytes = 5, maxMemberBytes = 1_000_000) =>
  tell(
    readJsonArray(parts(typeof text === "string" ? encode(text) : text, partBytes), {
      where: "x.json",
      maxMemberBytes,
    }),
  );

describe("read-json-array", () => {
  test(`any array, however it is indented and cut, gives its members in order (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.jsonValue({ stringUnit: "binary" })),
        fc.constantFrom(undefined, 2, "\t"),
        fc.integer({ min: 1, max: 50 }),
        async (values, indent, partBytes) => {
          const told = await read(JSON.stringify(values, null, indent), partBytes);
          const expected = JSON.parse(JSON.stringify(values)) as unknown[];
          expect(told.records.map(({ parsed }) => (parsed.ok ? parsed.value : parsed.bad))).toEqual(expected);
        },
      ),
      { seed, numRuns: 300 },
    );
  });

  test("line and offset are those of a member's first byte, behind a mark of the encoding, too", async () => {
    const text = '\ufeff[\n  {"a": "x"},\n\n  {\n    "a": 2\n  }, 3\n]\n';
    const { records } = await read(text);
    expect(records.map(({ line }) => line)).toEqual([2, 4, 6]);
    const bytes = Buffer.from(encode(text));
    expect(records.map(({ offset }) => bytes.subarray(offset, offset + 1).toString())).toEqual(["{", "{", "3"]);
  });

  test("a bad member is a value and spoils no other", async () => {
    const cut = Buffer.concat([encode('[{"a":1},{"a":nope},{"b":"'), Uint8Array.of(0xff), encode('"},,{"a":2},]')]);
    expect((await read(cut)).records.map(({ parsed }) => (parsed.ok ? parsed.value : parsed.bad))).toEqual([
      { a: 1 },
      "invalid_json",
      "invalid_utf8",
      "invalid_json",
      { a: 2 },
      "invalid_json",
    ]);
  });

  test("a member beyond the limit is bad, and what follows is read", async () => {
    const told = await read(`[{"a":"${"x".repeat(200)}"},{"a":1}]`, 7, 100);
    expect(short(told)).toEqual([
      [1, "line_too_long"],
      [1, { a: 1 }],
    ]);
  });

  test.each([
    ["an array without its end", '[{"a":1},{"a":2}'],
    ["a member without its end", '[{"a":'],
    ["something behind the end", '[{"a":1}]\n{"a":2}'],
    ["nothing", ""],
  ])("%s cannot be read on", async (_name, text) => {
    await expect(read(text)).rejects.toMatchObject({
      code: "E_INPUT_UNREADABLE",
      where: expect.stringMatching(/^x\.json, /),
    });
  });
});
