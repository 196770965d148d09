import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { globBase, isGlob, readGlob } from "../src/glob.ts";

const seed = 20_261_125;

describe("patterns", () => {
  test.each<[string, string[], string[]]>([
    ["a.jsonl", ["a.jsonl"], ["aXjsonl", "b/a.jsonl", "a.jsonl.gz"]],
    ["*.jsonl", ["a.jsonl", ".jsonl", "a b.jsonl"], ["x/a.jsonl", "a.jsonl.gz"]],
    ["a?.jsonl", ["ab.jsonl", "a\u{1f600}.jsonl"], ["a.jsonl", "abc.jsonl", "a/.jsonl"]],
    ["/d/**/*.jsonl", ["/d/a.jsonl", "/d/x/a.jsonl", "/d/x/y/a.jsonl"], ["/e/a.jsonl", "/d/a.txt"]],
    ["**/a.jsonl", ["a.jsonl", "x/y/a.jsonl"], ["xa.jsonl"]],
    ["/d/**", ["/d/a", "/d/x/y"], ["/e/a"]],
    ["/d/*/a", ["/d/x/a"], ["/d/a", "/d/x/y/a"]],
    ["[abc].jsonl", ["a.jsonl"], ["d.jsonl", "ab.jsonl"]],
    ["[a-c]1", ["b1"], ["d1", "-1"]],
    ["[!ab]1", ["c1"], ["a1", "/1"]],
    ["[^ab]1", ["c1"], ["a1", "/1"]],
    ["d[!x]a", ["dya"], ["d/a", "dxa"]],
    ["[+-9]1", ["51", ".1"], ["/1"]],
    ["[!]", ["!"], ["a", ""]],
    ["a[z-a]b", [], ["azb", "a-b", "aab"]],
    ["a[1", ["a[1"], ["a1"]],
    ["a(1)+{2}|$^.b\\c", ["a(1)+{2}|$^.b\\c"], ["a11"]],
    ["[\\]1", ["\\1"], ["1"]],
  ])("%s", (pattern, matching, others) => {
    expect(matching.filter((path) => !readGlob(pattern).matches(path))).toEqual([]);
    expect(others.filter((path) => readGlob(pattern).matches(path))).toEqual([]);
  });

  test(`a path without wildcards matches itself alone (seed ${seed})`, () => {
    const literal = fc.string({ unit: "grapheme" }).filter((text) => !isGlob(text));
    fc.assert(
      fc.property(literal, literal, (a, b) => {
        expect(readGlob(a).matches(a)).toBe(true);
        expect(readGlob(a).matches(b)).toBe(a === b);
      }),
      { seed, numRuns: 1_000 },
    );
  });

  const text = fc
    .array(fc.constantFrom("*", "**", "**/", "?", "[az]", "[!a]", "[a-z]", "[z-a]", "-", "]", "a", "z", "/", "."), {
      maxLength: 8,
    })
    .map((parts) => parts.join(""));

  test(`any text is a pattern, and says the same as one place after the other (seed ${seed})`, () => {
    const path = fc.array(fc.constantFrom("a", "z", "/", "-", "]"), { maxLength: 6 }).map((parts) => parts.join(""));
    const told = { yes: 0, no: 0 };
    fc.assert(
      fc.property(fc.oneof(path, text), text, (one, pattern) => {
        const matches = readGlob(pattern).matches(one);
        told[matches ? "yes" : "no"] += 1;
        expect(matches).toBe(matchesPlainly(one, pattern));
      }),
      { seed, numRuns: 5_000 },
    );
    expect(Math.min(told.yes, told.no)).toBeGreaterThan(100);
  });

  test(`no folder is passed over above a match (seed ${seed})`, () => {
    const path = fc
      .array(fc.constantFrom("a", "z", "b.a"), { minLength: 2, maxLength: 4 })
      .map((parts) => parts.join("/"));
    const patterns = fc.array(fc.constantFrom("*", "**", "?", "a", "[az]", "b*", "*a"), { minLength: 1, maxLength: 4 });
    let matching = 0;
    fc.assert(
      fc.property(path, patterns, (one, parts) => {
        const glob = readGlob(parts.join("/"));
        if (!glob.matches(one)) return;
        matching += 1;
        const folders = one.split("/").slice(0, -1);
        for (let i = 1; i <= folders.length; i += 1) expect(glob.reaches(folders.slice(0, i).join("/"))).toBe(true);
      }),
      { seed, numRuns: 3_000 },
    );
    expect(matching).toBeGreaterThan(100);
  });

  test.each<[string, string[], string[]]>([
    ["/d/*.jsonl", ["/d", "/"], ["/d/x", "/e", "/d/x.jsonl"]],
    ["/d/run-*/a/*", ["/d", "/d/run-1", "/d/run-1/a"], ["/d/other", "/d/run-1/b", "/d/run-1/a/b"]],
    ["/d/**/a", ["/d/x/y/z"], ["/e"]],
  ])("a walk for %s looks only where a match can be", (pattern, looked, passedOver) => {
    expect(looked.filter((folder) => !readGlob(pattern).reaches(folder))).toEqual([]);
    expect(passedOver.filter((folder) => readGlob(pattern).reaches(folder))).toEqual([]);
  });

  test.each([
    ["stars in one name", `${"a*".repeat(60)}b`, "a".repeat(4_000)],
    ["stars in a row", `${"*".repeat(61)}b`, "a".repeat(4_000)],
    ["folders of any depth", `${"**/a/".repeat(40)}b`, "a/".repeat(2_000)],
    ["sets and stars", `${"[!b]*".repeat(60)}b`, "a".repeat(4_000)],
  ])("%s that nearly match are told in time that does not explode", (_name, pattern, path) => {
    expect(readGlob(pattern).matches(path)).toBe(false);
    expect(readGlob(pattern).matches(`${path}b`)).toBe(true);
  });

  test.each([
    ["/d/x/*.jsonl", "/d/x"],
    ["/d/**/a.jsonl", "/d"],
    ["/d*/a.jsonl", "/"],
    ["/*.jsonl", "/"],
    ["*.jsonl", ""],
    ["d/?/x", "d"],
    ["/d/a.jsonl", "/d"],
    ["/d/[ab]/c*", "/d"],
  ])("a walk for %s begins at %j", (pattern, base) => {
    expect(globBase(pattern)).toBe(base);
  });
});

/** What a pattern means, spelt out: every way to go on is tried. Slow, and only for short texts. */
function matchesPlainly(path: string, pattern: string): boolean {
  if (pattern === "") return path === "";
  const from = (start: number, rest: string): boolean => matchesPlainly(path.slice(start), rest);
  const starts = [...path, ""].map((_, i) => i);
  if (pattern.startsWith("**/")) {
    const rest = pattern.slice(3);
    return from(0, rest) || starts.some((i) => path[i] === "/" && from(i + 1, rest));
  }
  if (pattern.startsWith("**")) return starts.some((i) => from(i, pattern.slice(2)));
  if (pattern.startsWith("*")) return starts.some((i) => !path.slice(0, i).includes("/") && from(i, pattern.slice(1)));
  if (path === "") return false;
  if (pattern.startsWith("?")) return path[0] !== "/" && from(1, pattern.slice(1));
  const [set, sign = "", members = ""] = /^\[([!^]?)([^\]/]+)\]/.exec(pattern) ?? [];
  if (set === undefined) return path[0] === pattern[0] && from(1, pattern.slice(1));
  // one range at most: what more there is stands in the table above
  const [, low, high] = /^(.)-(.)$/.exec(members) ?? [];
  if (low !== undefined && high !== undefined) {
    if (low > high) return false;
    const isIn = low <= path[0]! && path[0]! <= high;
    return path[0] !== "/" && isIn !== (sign !== "") && from(1, pattern.slice(set.length));
  }
  return path[0] !== "/" && members.includes(path[0]!) !== (sign !== "") && from(1, pattern.slice(set.length));
}
