import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { writeOnce } from "../src/write-once.ts";

let path = "";
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-write-"));
  path = join(folder, "out.jsonl");
});
afterEach(() => rm(folder, { recursive: true }));

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("writes a new file from start to end", async () => {
  const made = await writeOnce(path, async (sink) => {
    await sink.write(bytes("one "));
    await sink.write(bytes("two"));
    return 2;
  });
  expect(made).toBe(2);
  expect(await readFile(path, "utf8")).toBe("one two");
});

test("never overwrites", async () => {
  await writeFile(path, "precious");
  await expect(writeOnce(path, (sink) => sink.write(bytes("x")))).rejects.toMatchObject({
    code: "E_USAGE",
    where: path,
  });
  expect(await readFile(path, "utf8")).toBe("precious");
});

test("a failure leaves the file empty, and the next try fills it", async () => {
  const failing = writeOnce(path, async (sink) => {
    await sink.write(bytes("half"));
    throw new Error("gone");
  });
  await expect(failing).rejects.toThrow("gone");
  expect(await readFile(path, "utf8")).toBe("");
  expect(await readdir(folder)).toEqual(["out.jsonl"]);
  await writeOnce(path, (sink) => sink.write(bytes("whole")));
  expect(await readFile(path, "utf8")).toBe("whole");
});

test("of two at once the first that ends has the name, whole; the other says so", async () => {
  const slow = writeOnce(path, async (sink) => {
    await sink.write(bytes("long long "));
    await writeOnce(path, (other) => other.write(bytes("short")));
    await sink.write(bytes("text"));
  });
  await expect(slow).rejects.toMatchObject({ code: "E_USAGE", where: path });
  expect(await readFile(path, "utf8")).toBe("short");
  expect(await readdir(folder)).toEqual(["out.jsonl"]);
});

test("while it is written, and after a kill, nothing stands under the name", async () => {
  await writeOnce(path, async (sink) => {
    await sink.write(bytes("half"));
    expect(await readFile(path, "utf8")).toBe("");
  });
});

test("an empty file keeps who may read it, and a link its file", async () => {
  const secret = join(folder, "secret.jsonl");
  await writeFile(secret, "");
  await chmod(secret, 0o600);
  await symlink(secret, path);
  await writeOnce(path, (sink) => sink.write(bytes("x")));
  expect(await readFile(secret, "utf8")).toBe("x");
  expect((await stat(secret)).mode & 0o777).toBe(0o600);
});

test("a folder of the name is named", async () => {
  await expect(writeOnce(folder, async () => {})).rejects.toMatchObject({ code: "E_USAGE", where: folder });
});

test("a folder that is not there is named", async () => {
  const nowhere = join(folder, "nowhere/out.jsonl");
  await expect(writeOnce(nowhere, async () => {})).rejects.toMatchObject({ code: "E_USAGE", where: nowhere });
});
