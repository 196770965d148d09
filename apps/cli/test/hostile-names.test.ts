import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { type AssayError, isAssayError, renderError } from "@assay/core";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { readProfile } from "../src/choose-profile.ts";
import { findLocalInputs } from "../src/find-local-inputs.ts";
import { readEngineKey } from "../src/open-engines.ts";
import { openInputs } from "../src/open-inputs.ts";
import { readRecipe } from "../src/read-recipe.ts";
import { put, textOf } from "./input-files.ts";

const run = promisify(execFile);
const seed = 20_261_127;

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-names-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function refusal(...inputs: string[]): Promise<AssayError> {
  const error = await openInputs(inputs).catch((thrown: unknown) => thrown);
  if (!isAssayError(error)) throw error;
  return error;
}

/** What no terminal may be sent. */
const control = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

const odd = [
  "a b",
  "a\nb",
  "a\tb\r",
  "'a'",
  '"a"',
  "-a",
  "--root",
  "[a]",
  "[!a]",
  "a*",
  "?",
  "**",
  "{a,b}",
  "%2F",
  "a\\b",
  "$(a)",
  "`a`",
  "~",
  "#a",
  "\u001b[31ma",
  "\u202ea",
  "e\u0301",
  "x".repeat(240),
];

test(`a name is a name, whatever characters it has: by itself, in a folder, by its pattern (seed ${seed})`, async () => {
  const names = fc.uniqueArray(fc.constantFrom(...odd), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(names, async (some) => {
      const below = await mkdtemp(join(folder, "d"));
      const paths = some.map((name) => join(below, `${name}.jsonl`));
      for (const path of paths) await writeFile(path, path);
      const inFolder = await openInputs([below]);
      expect(inFolder.sources.map(({ input }) => input).sort()).toEqual(paths.map((path) => basename(path)).sort());
      const byPattern = await openInputs([join(below, "*.jsonl")]);
      expect(byPattern.sources.map(({ input }) => input)).toEqual(inFolder.sources.map(({ input }) => input));
      for (const path of paths) {
        const { sources } = await openInputs([path]);
        expect(sources.map(({ input }) => input)).toEqual([basename(path)]);
        expect(await textOf(sources[0])).toBe(path);
        expect(sources[0]?.where).not.toMatch(control);
        expect(sources[0]?.where).not.toContain("\n");
      }
    }),
    { seed, numRuns: 40 },
  );
});

test.each(odd)("%j that is not there is named, and a terminal obeys none of it", async (name) => {
  const error = await refusal(join(folder, name));
  expect(error).toMatchObject({ code: "E_INPUT_MISSING", where: join(folder, name) });
  expect(renderError(error)).not.toMatch(control);
});

test.each([
  ["a NUL", "a\0b"],
  ["longer than any name", "a".repeat(5_000)],
  ["longer than any name, as a pattern", `${"a".repeat(5_000)}*`],
  ["stars without end", `${"a*".repeat(2_000)}b`],
])("a name that cannot be is a code: %s", async (_, name) => {
  expect((await refusal(join(folder, name))).code).toMatch(/^E_INPUT_(MISSING|UNREADABLE)$/);
});

test("a pattern is looked for where people stand, whatever that place is called", async () => {
  await put(folder, "[x]*?/a.jsonl");
  await put(folder, "x/b.jsonl");
  const before = process.cwd();
  process.chdir(join(folder, "[x]*?"));
  try {
    expect((await findLocalInputs("*.jsonl")).map(({ path }) => basename(path))).toEqual(["a.jsonl"]);
    expect((await findLocalInputs("../x/*.jsonl")).map(({ path }) => basename(path))).toEqual(["b.jsonl"]);
  } finally {
    process.chdir(before);
  }
});

describe("what is no file", () => {
  test.each(["/dev/zero", "/dev/null"])("%s is refused, not read for ever", async (device) => {
    expect(await refusal(device)).toMatchObject({ code: "E_INPUT_UNREADABLE", where: device });
  });

  test("a link that leads nowhere, or in a circle, is an error where it would be read", async () => {
    await put(folder, "d/a.jsonl");
    await symlink("nowhere", join(folder, "d/notes.txt"));
    await symlink("circle.txt", join(folder, "d/circle.txt"));
    expect((await openInputs([join(folder, "d")])).sources).toHaveLength(1);
    const dead = join(folder, "d/b.jsonl");
    await symlink("nowhere", dead);
    for (const asked of [join(folder, "d"), join(folder, "d/*.jsonl")])
      expect(await refusal(asked)).toMatchObject({ code: "E_INPUT_MISSING", where: dead });
    await rm(dead);
    await symlink("b.jsonl", dead);
    for (const asked of [join(folder, "d"), dead])
      expect(await refusal(asked)).toMatchObject({ code: "E_INPUT_UNREADABLE", got: "ELOOP" });
  });

  test("folders in a circle of links are walked once", async () => {
    await put(folder, "d/e/a.jsonl");
    await symlink("..", join(folder, "d/e/up"));
    await symlink(".", join(folder, "d/here"));
    expect((await openInputs([join(folder, "d")])).sources.map(({ input }) => input)).toEqual(["a.jsonl"]);
    expect((await openInputs([join(folder, "**/*.jsonl")])).sources).toHaveLength(1);
  });

  test("a pipe in a folder is refused; by itself it is read", async () => {
    await mkdir(join(folder, "d"));
    const pipe = join(folder, "d/a.jsonl");
    await run("mkfifo", [pipe]);
    expect(await refusal(join(folder, "d"))).toMatchObject({ code: "E_INPUT_UNREADABLE", where: pipe });
  });

  test("a pipe into which nobody writes is waited for, until the signal", async () => {
    const pipe = join(folder, "pipe");
    await run("mkfifo", [pipe]);
    const controller = new AbortController();
    const opening = openInputs([pipe], { signal: controller.signal });
    controller.abort();
    await expect(opening).rejects.toMatchObject({ code: "E_ABORTED", where: pipe });
  });

  test("a folder whose name ends like a file's is a folder", async () => {
    await put(folder, "d.jsonl/a.jsonl");
    expect((await openInputs([join(folder, "d.jsonl")])).sources.map(({ input }) => input)).toEqual(["a.jsonl"]);
    expect(await refusal(join(folder, "*.jsonl"))).toMatchObject({ code: "E_INPUT_MISSING" });
  });

  test("settings that go on without end are refused, and a key that is a pipe is read once for all", async () => {
    await expect(readRecipe("/dev/zero")).rejects.toMatchObject({ code: "E_INPUT_MISSING", got: "EFBIG" });
    await expect(readProfile("/dev/zero")).rejects.toMatchObject({ code: "E_PROFILE", got: "/dev/zero" });
    await expect(readEngineKey("/dev/zero")).rejects.toMatchObject({ code: "E_USAGE", got: "EFBIG" });
    const pipe = join(folder, "key");
    await run("mkfifo", [pipe]);
    const [key] = await Promise.all([readEngineKey(pipe), writeFile(pipe, "secret\n")]);
    expect([key, await readEngineKey(pipe)]).toEqual(["secret", "secret"]);
  });

  const onLinux = process.platform === "linux" ? test : test.skip;
  onLinux("bytes that are no UTF-8 are no name that can be opened, and say so", async () => {
    await put(folder, "a.jsonl");
    await writeFile(Buffer.concat([Buffer.from(`${folder}/b`), Buffer.from([0xff]), Buffer.from(".jsonl")]), "x");
    expect(await refusal(folder)).toMatchObject({
      code: "E_INPUT_UNREADABLE",
      message: expect.stringMatching(/UTF-8/),
    });
    await put(folder, "c\ufffd.jsonl");
    expect((await openInputs([join(folder, "c*.jsonl")])).sources).toHaveLength(1);
  });
});

// root may look everywhere
const asUser = process.getuid?.() === 0 ? test.skip : test;
asUser("a folder that may not be entered matters only where a pattern leads", async () => {
  await put(folder, "a.jsonl");
  await put(folder, "locked/b.jsonl");
  await chmod(join(folder, "locked"), 0);
  try {
    expect((await openInputs([join(folder, "*.jsonl")])).sources).toHaveLength(1);
    for (const asked of [folder, join(folder, "*/*.jsonl")])
      expect(await refusal(asked)).toMatchObject({ code: "E_DENIED", where: join(folder, "locked") });
  } finally {
    await chmod(join(folder, "locked"), 0o700);
  }
});
