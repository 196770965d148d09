import { spawnSync } from "node:child_process";
import { readFile, symlink } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { tempFolder } from "./temp-folder.ts";

const clone = fileURLToPath(new URL("../..", import.meta.url));

test("a link to ./assay in a folder of PATH finds its clone, and commands are printed as they were typed", async () => {
  const bin = await tempFolder();
  await symlink(join(clone, "assay"), join(bin, "assay"));
  const PATH = [bin, process.env.PATH].join(delimiter);
  const run = (command: string) => spawnSync("sh", ["-c", command], { cwd: bin, env: { PATH }, encoding: "utf8" });
  const { version } = JSON.parse(await readFile(join(clone, "package.json"), "utf8")) as { version: string };
  expect(run("assay --version")).toMatchObject({ status: 0, stdout: `${version}\n` });
  const refused = run("assay status");
  expect(refused.status).toBe(2);
  expect(refused.stderr).toContain("  assay status --help");
}, 120_000);
