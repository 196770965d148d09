import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ErrorCode, errorTable, statusMeanings, toAssayError } from "@assay/core";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { copyableText, rootlessVerbs, rootVerbs } from "../src/copyable-text.ts";
import { commands, program } from "../src/program.ts";

test("every verb is told apart by whether it works without a root", () => {
  const verbs = commands().commands.map((command) => command.name());
  expect([...rootVerbs, ...rootlessVerbs].sort()).toEqual(verbs.sort());
  for (const command of commands().commands)
    if (rootVerbs.includes(command.name())) expect(command.options.map(({ long }) => long)).toContain("--root");
});

describe("commands in a text", () => {
  test.each<[string, string | undefined, string]>([
    ["assay verify a-0123", "g[1]", "../assay verify a-0123 --root 'g[1]'"],
    ["assay verify a-0123", undefined, "../assay verify a-0123"],
    ["assay --help", "r", "../assay --help"],
    ["assay retry --help", "r", "../assay retry --help"],
    [
      "look at it, then assay retry a-0123 --status x, or (assay ls)",
      "r",
      "look at it, then ../assay retry a-0123 --status x --root r, or (../assay ls --root r)",
    ],
    ["assay doctor --engine URL", "r", "../assay doctor --engine URL"],
    ["assay doctor --root ROOT", "$&'", "../assay doctor --root '$&'\\'''"],
    ["assay doctor --root ROOT", undefined, "../assay doctor --root ROOT"],
    ["the version of assay that began it", "r", "the version of assay that began it"],
    // what commandLine made stays as it is
    ["../assay resume a-0123 --root r", "r", "../assay resume a-0123 --root r"],
    ["'../a b/assay' resume a-0123", "r", "'../a b/assay' resume a-0123"],
    ["mend it, then: /x/assay ls --root '/a/assay ls'", "r", "mend it, then: /x/assay ls --root '/a/assay ls'"],
  ])("%s, root %s", (text, root, copyable) => {
    expect(copyableText(text, root, "../assay")).toBe(copyable);
  });

  test.each([...Object.entries(errorTable), ...Object.entries(statusMeanings)])("of %s can be typed", (_, { next }) => {
    const text = copyableText(next, "r", "./assay");
    const bare = /(?<!\.\/)\bassay\b/;
    expect(text).not.toMatch(bare);
    for (const [line, verb] of text.matchAll(/assay ([a-z]+)[^,;()]*/g))
      if (rootVerbs.includes(verb ?? "")) expect(line).toMatch(/ --root r *$/);
  });
});

describe("what an error says next", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "assay copyable-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each<[string[], ErrorCode, string]>([
    [["status", "nope"], "E_NO_SUCH_BATCH", "/x/assay ls --root 'ROOT'"],
    [["status", "nope", "--no-such"], "E_USAGE", "/x/assay status --help"],
    [["bench", "engine"], "E_USAGE", "/x/assay bench engine --help"],
    [["sim", "--host", "203.0.113.1"], "E_USAGE", "/x/assay sim --help"],
  ])("%j", async (words, code, next) => {
    process.env.ASSAY_CALLED_AS = "/x/assay";
    try {
      const root = words[0] === "status" ? ["--root", folder] : [];
      const error = toAssayError(
        await program(["node", "assay", ...words, ...root]).catch((thrown: unknown) => thrown),
      );
      expect({ code: error.code, next: error.next }).toEqual({ code, next: next.replace("ROOT", folder) });
    } finally {
      delete process.env.ASSAY_CALLED_AS;
    }
  });
});
