import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { absolutePath, nearPath } from "../src/current-folder.ts";
import { findLocalInputs } from "../src/find-local-inputs.ts";
import { openInputs } from "../src/open-inputs.ts";
import { openStore } from "../src/open-store.ts";

const before = process.cwd();
const input = fileURLToPath(new URL("../../../examples/helpfulness.jsonl", import.meta.url));

test("paths are told from where people stand, where they lie below", () => {
  expect(absolutePath("a/../b")).toBe(join(before, "b"));
  expect(nearPath(join(before, "a/b"))).toBe("a/b");
  expect(nearPath("/a/b")).toBe("/a/b");
});

describe("where the current folder has been removed", () => {
  beforeAll(() => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), "assay-gone-")));
    process.chdir(folder);
    rmSync(folder, { recursive: true });
  });
  afterAll(() => process.chdir(before));

  test.each<[string, () => unknown]>([
    ["a root", () => openStore("r")],
    ["an input", () => findLocalInputs("x.jsonl")],
    ["a pattern", () => findLocalInputs("*.jsonl")],
  ])("%s that begins there is refused, and the error says why", async (_, open) => {
    await expect(Promise.resolve().then(open)).rejects.toMatchObject({
      code: "E_USAGE",
      message: expect.stringContaining("the current folder is gone"),
    });
  });

  test("whole paths work", async () => {
    expect((await openStore("/r")).uri).toBe("/r");
    for (const named of [input, input.replace("helpfulness", "h*")]) {
      const { sources, close } = await openInputs([named]);
      expect(sources).toMatchObject([{ input: "helpfulness.jsonl", where: input }]);
      await close();
    }
  });
});
