import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { chooseInputs, pickInputs } from "../src/choose-inputs.ts";

const seed = 20_261_125;

describe("choose-inputs: labels", () => {
  test.each<[string, string[], string[]]>([
    ["one file: its base name", ["/data/night/a.jsonl"], ["a.jsonl"]],
    ["one key", ["runs/7/a.jsonl.gz"], ["a.jsonl.gz"]],
    ["a name without a folder", ["stdin"], ["stdin"]],
    ["a file of the root", ["/a.jsonl"], ["a.jsonl"]],
    ["one folder", ["/data/a.jsonl", "/data/b.jsonl"], ["a.jsonl", "b.jsonl"]],
    ["below the common parent", ["/data/x/a.jsonl", "/data/y/a.jsonl"], ["x/a.jsonl", "y/a.jsonl"]],
    ["a parent that is a file's own folder", ["/data/a.jsonl", "/data/x/a.jsonl"], ["a.jsonl", "x/a.jsonl"]],
    [
      "names that begin alike are no common folder",
      ["/data/run1/a.jsonl", "/data/run10/a.jsonl"],
      ["run1/a.jsonl", "run10/a.jsonl"],
    ],
    ["nothing in common but the root", ["/x/a.jsonl", "/y/b.jsonl"], ["x/a.jsonl", "y/b.jsonl"]],
    ["keys with nothing in common", ["x/a.jsonl", "b.jsonl"], ["b.jsonl", "x/a.jsonl"]],
    ["one asked for twice is read twice", ["/d/a.jsonl", "/d/a.jsonl"], ["a.jsonl", "a.jsonl"]],
    [
      "natural order, folders too",
      ["/d/10.jsonl", "/d/9.jsonl", "/d/p2/1.jsonl", "/d/p10/1.jsonl"],
      ["9.jsonl", "10.jsonl", "p2/1.jsonl", "p10/1.jsonl"],
    ],
  ])("%s", (_name, paths, labels) => {
    expect(chooseInputs(paths).map(({ input }) => input)).toEqual(labels);
  });

  test("none is E_INPUT_MISSING", () => {
    expect(() => chooseInputs([])).toThrow(expect.objectContaining({ code: "E_INPUT_MISSING" }));
  });

  const part = fc.constantFrom("a", "b", "run1", "run10", "1", "10", "x y", "\u65e5");
  const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join("/")}.jsonl`);

  test(`never absolute, never empty, a path's own end, the same in any order of asking (seed ${seed})`, () => {
    fc.assert(
      fc.property(fc.uniqueArray(path, { minLength: 1, maxLength: 6 }), (paths) => {
        const chosen = chooseInputs(paths);
        expect(chosen.map((one) => one.path).sort()).toEqual([...paths].sort());
        for (const one of chosen) {
          expect(one.input).not.toMatch(/^\/|^$/);
          expect(one.path.endsWith(`/${one.input}`)).toBe(true);
        }
        expect(new Set(chosen.map(({ input }) => input)).size).toBe(paths.length);
        expect(chooseInputs(paths.toReversed())).toEqual(chosen);
        // below the same parent, so that labels tell files apart by their folders
        expect(new Set(chosen.map((one) => one.path.slice(0, -one.input.length))).size).toBe(1);
      }),
      { seed, numRuns: 500 },
    );
  });
});

describe("choose-inputs: folders", () => {
  test.each<[string, string[], string[]]>([
    [
      "JSON Lines, packed or not",
      ["a.jsonl", "x/A.JSONL.GZ", "b.jsonl.zst"],
      ["a.jsonl", "x/A.JSONL.GZ", "b.jsonl.zst"],
    ],
    ["JSON Lines before all else", ["a.parquet", "a.csv", "a.json", "b.jsonl"], ["b.jsonl"]],
    ["Parquet before CSV and JSON", ["a.parquet", "a.csv", "a.json"], ["a.parquet"]],
    ["CSV before JSON", ["a.csv.gz", "a.json"], ["a.csv.gz"]],
    ["JSON where there is nothing else", ["a.json", "README.md"], ["a.json"]],
    ["nothing", ["jsonl", "README.md", "a.parquet.gz"], []],
  ])("a folder is read for %s", (_name, paths, picked) => {
    expect(pickInputs(paths)).toEqual(picked);
  });
});
