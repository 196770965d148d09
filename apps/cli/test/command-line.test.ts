import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { commandLine, commandName } from "../src/command-line.ts";

const clone = fileURLToPath(new URL("../../../", import.meta.url));

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "assay-command-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a shell makes of a line where people stand, with `path` in front of its PATH. */
function typed(line: string, cwd: string, path = ""): string {
  return execFileSync("sh", ["-c", line], {
    cwd,
    encoding: "utf8",
    env: { PATH: path === "" ? process.env.PATH : `${path}:${process.env.PATH}`, HOME: folder },
  });
}

test("a command names the root where it came by flag, and in a clone the script", () => {
  const name = commandName("", folder);
  expect(commandLine(["resume", "a-0123"], undefined, name)).toBe("assay resume a-0123");
  expect(commandLine(["resume", "a-0123"], "s3://b/prefix", name)).toBe("assay resume a-0123 --root s3://b/prefix");
  expect(commandLine(["ls"], "it's here", name)).toBe("assay ls --root 'it'\\''s here'");
  expect(commandName("", clone)).toBe("./assay");
  expect(commandName("../a b/assay", clone)).toBe("../a b/assay");
});

test("a shell reads every word of a command as it was, whatever files stand beside", () => {
  for (const name of ["g1", "gx", "ga", "gb"]) writeFileSync(join(folder, name), "");
  const words = [
    ..."g[1] g[!x] g? g* g{a,b} ~ ~root !! #x =ls a=b a;b a&b a|b <x >x $HOME `ls` $(ls) (x) \\ it's \" ^a -x".split(
      " ",
    ),
    "--root=g[1]",
    "a b",
    "a\tb\nc",
    "",
    "ä-🤔",
    "max_tokens=32000",
    "s3://bucket/pre-fix_1,2@%+",
  ];
  const line = commandLine(words, "g[1]", "printf");
  expect(typed(line.replace("printf", "printf '%s\\0'"), folder).split("\0")).toEqual([...words, "--root", "g[1]", ""]);
});

describe("the script `assay`, however it is called, is called by the commands that it prints", () => {
  let home = "";
  beforeAll(() => {
    home = join(folder, "a (b)", "clone");
    for (const below of ["infra", "apps/cli/dist", "work"]) mkdirSync(join(home, below), { recursive: true });
    copyFileSync(join(clone, "assay"), join(home, "assay"));
    chmodSync(join(home, "assay"), 0o755);
    writeFileSync(join(home, "infra/set-up.sh"), "");
    writeFileSync(
      join(home, "apps/cli/dist/main.js"),
      "process.stdout.write(JSON.stringify([process.env.ASSAY_CALLED_AS, ...process.argv.slice(2)]))",
    );
  });

  const elsewhere = "apps/cli/dist";
  test.each<[string, string, string, boolean]>([
    ["in the clone", "./assay", ".", false],
    ["by a shell", "sh assay", ".", false],
    ["from below", "../assay", "work", false],
    ["by its whole path", "CLONE/assay", elsewhere, false],
    ["from PATH", "assay", elsewhere, true],
  ])("%s", (_, called, below, onPath) => {
    const cwd = join(home, below);
    const path = onPath ? home : "";
    const line = called.replace("CLONE/assay", `'${home}/assay'`);
    const [name] = JSON.parse(typed(`${line} ls`, cwd, path)) as [string];
    const printed = commandLine(["verify", "a-0123"], "r s", name);
    expect(JSON.parse(typed(printed, cwd, path))).toEqual([name, "verify", "a-0123", "--root", "r s"]);
    if (onPath) expect(name).toBe("assay");
  });
});
