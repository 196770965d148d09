import { describe, expect, test } from "@jest/globals";
import { type Pin, pinBytes, pinDifferences, pinSchema, pinSha256 } from "../src/pin.ts";

const pinned: Pin = {
  model: "judge",
  revision: null,
  template: "a".repeat(64),
  delimiters: [{ id: 151644, per_turn: 1, extra: 1, extra_system: 1 }],
  logprobs: "raw",
  simulated: false,
};

describe("pin", () => {
  test("equal pins differ in nothing, whatever the order of their keys", () => {
    const turned = Object.fromEntries(Object.entries(pinned).reverse()) as unknown as Pin;
    expect(pinDifferences(pinned, turned)).toEqual([]);
    expect(pinSha256(turned)).toBe(pinSha256(pinned));
  });

  test.each<[Partial<Pin>, string, string, string]>([
    [{ model: "other" }, "model", '"judge"', '"other"'],
    [{ revision: "abc" }, "revision", "null", '"abc"'],
    [{ template: "b" }, "template", `"${"a".repeat(64)}"`, '"b"'],
    [{ delimiters: [] }, "delimiters", '[{"extra":1,"extra_system":1,"id":151644,"per_turn":1}]', "[]"],
    [{ logprobs: "processed" }, "logprobs", '"raw"', '"processed"'],
    [{ simulated: true }, "simulated", "false", "true"],
  ])("%j is named with both values, and its hash is another", (changed, field, before, found) => {
    expect(pinDifferences(pinned, { ...pinned, ...changed })).toEqual([{ field, pinned: before, found }]);
    expect(pinSha256({ ...pinned, ...changed })).not.toBe(pinSha256(pinned));
  });

  test("every field is compared", () => {
    const other: Pin = {
      model: "m",
      revision: "r",
      template: "t",
      delimiters: [],
      logprobs: "processed",
      simulated: true,
    };
    expect(
      pinDifferences(pinned, other)
        .map(({ field }) => field)
        .sort(),
    ).toEqual(Object.keys(pinned).sort());
  });

  test("the way of reading is the batch's, not an engine's: it is hashed and never compared; plain text is compared", () => {
    const read: Pin = { ...pinned, read: "top", top: 20 };
    expect(pinDifferences(pinned, read)).toEqual([]);
    expect(pinSha256(read)).not.toBe(pinSha256(pinned));
    expect(pinDifferences(pinned, { ...pinned, rendered: "plain" })).toEqual([
      { field: "rendered", pinned: "null", found: '"plain"' },
    ]);
  });

  test("pin.json comes back from its bytes", () => {
    expect(pinSchema.parse(JSON.parse(new TextDecoder().decode(pinBytes(pinned))))).toEqual(pinned);
  });
});
