import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";
import { engineHook } from "../src/run-hook.ts";

const folder = await mkdtemp(join(tmpdir(), "assay-hook-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

async function linesOf(file: string, count: number): Promise<string[]> {
  for (;;) {
    const lines = (await readFile(file, "utf8").catch(() => ""))
      .trim()
      .split("\n")
      .filter((line) => line !== "");
    if (lines.length >= count) return lines;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("the hook is told engine and reason, and runs at most twice an hour for each engine", async () => {
  const file = join(folder, "ran");
  let now = 0;
  const hook = engineHook(`echo "$ASSAY_ENGINE $ASSAY_REASON" >> '${file}'`, () => now);
  hook("http://a:1", "no token");
  await linesOf(file, 1);
  hook("http://a:1", "no token");
  await linesOf(file, 2);
  hook("http://a:1", "a third time");
  hook("http://b:1", "no token");
  expect(await linesOf(file, 3)).toEqual(["http://a:1 no token", "http://a:1 no token", "http://b:1 no token"]);
  now += 3_600_001;
  hook("http://a:1", "an hour later");
  expect((await linesOf(file, 4)).at(-1)).toBe("http://a:1 an hour later");
});
