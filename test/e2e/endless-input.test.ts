import { execFile } from "node:child_process";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { exitCode } from "@assay/core";
import { expect, test } from "@jest/globals";
import { main, startAssay, until } from "./run-assay.ts";
import { tempFolder } from "./temp-folder.ts";

test("a submit whose input is a pipe into which nobody writes ends with the signal", async () => {
  const folder = await tempFolder();
  const pipe = join(folder, "pipe");
  await promisify(execFile)("mkfifo", [pipe]);
  const { child, ended } = startAssay(["submit", pipe, "--root", join(folder, "root"), "--model", "simulator"]);
  const tooSoon = ended.then(({ stderr }) => {
    throw new Error(`it ended before it read: ${stderr}`);
  });
  // this resolves once the other end is open
  const writer = await Promise.race([open(pipe, "w"), tooSoon]);
  child.kill("SIGINT");
  const { code, stderr } = await ended;
  await writer.close();
  expect({ code, stderr }).toEqual({ code: exitCode.notFinished, stderr: expect.stringContaining("E_ABORTED") });
}, 60_000);

test("a plan of a pipe that is stopped leaves nothing of its text behind", async () => {
  const folder = await tempFolder();
  const pipe = join(folder, "pipe");
  await promisify(execFile)("mkfifo", [pipe]);
  const { child, ended } = startAssay(["plan", pipe, "--model", "simulator"], { env: { TMPDIR: folder } });
  const writer = await open(pipe, "w");
  await writer.write("{}\n");
  const spools = async () => (await readdir(folder)).filter((name) => name.startsWith("assay-input-"));
  await until(async () => (await spools()).length > 0);
  child.kill("SIGINT");
  const { code, stderr } = await ended;
  await writer.close();
  expect(await spools()).toEqual([]);
  expect({ code, stderr }).toEqual({ code: exitCode.notFinished, stderr: expect.stringContaining("E_ABORTED") });
}, 60_000);

test("a device on stdin is refused, not kept until the disk is full", async () => {
  const words = ["-c", `"$0" "$1" plan - --model simulator < /dev/zero`, process.execPath, main];
  const refused = promisify(execFile)("sh", words, { timeout: 30_000 });
  await expect(refused).rejects.toMatchObject({
    code: exitCode.badInput,
    stderr: expect.stringContaining("stdin is a device"),
  });
}, 60_000);
