import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { isAssayError } from "@assay/core";
import { startS3Server } from "@assay/testkit";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { openInputs } from "../src/open-inputs.ts";
import { put, textOf } from "./input-files.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "assay-inputs-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function labels(...inputs: string[]): Promise<string[]> {
  const opened = await openInputs(inputs);
  await opened.close();
  return opened.sources.map(({ input }) => input);
}

async function refusal(...inputs: string[]): Promise<string> {
  const error = await openInputs(inputs).catch((thrown: unknown) => thrown);
  if (!isAssayError(error)) throw error;
  return `${error.code} ${error.where}`;
}

describe("inputs", () => {
  test("a file, whatever its name, by its base name; and it is read twice alike", async () => {
    const path = await put(folder, "data/rollouts.v2.txt", "twice");
    const opened = await openInputs([path]);
    expect(opened.sources.map(({ input }) => input)).toEqual(["rollouts.v2.txt"]);
    expect([await textOf(opened.sources[0]), await textOf(opened.sources[0])]).toEqual(["twice", "twice"]);
    expect(opened.readable).toBe("rollouts.v2.txt");
    expect((await openInputs([await put(folder, "x/steps.jsonl.gz")])).readable).toBe("steps");
  });

  test("a folder for its JSON Lines in natural order, hidden files left out", async () => {
    for (const name of ["b/2.jsonl", "b/10.jsonl", "a.JSONL.GZ", "notes.md", "._a.jsonl", ".cache/x.jsonl"])
      await put(folder, name);
    expect(await labels(folder)).toEqual(["a.JSONL.GZ", "b/2.jsonl", "b/10.jsonl"]);
    expect((await openInputs([join(folder, "b")])).readable).toBe("b");
  });

  test("what a folder holds beside them that may be records is told, and nothing of a folder that holds none", async () => {
    for (const name of ["a.jsonl", "b.parquet", "c/d.jsonl.zstd", "e.ndjson", "README.md", ".f.csv"])
      await put(folder, name);
    expect((await openInputs([folder])).passedOver).toEqual([
      expect.stringContaining(`${folder}: 3 files are not read, the first b.parquet`),
    ]);
    expect((await openInputs([join(folder, "c")]).catch((error: unknown) => error)) as object).toMatchObject({
      code: "E_INPUT_MISSING",
    });
    expect((await openInputs([join(folder, "*")])).passedOver).toEqual([]);
    expect((await openInputs([join(folder, "a.jsonl")])).passedOver).toEqual([]);
  });

  test("a folder without JSON Lines for its Parquet, read by ranges", async () => {
    for (const name of ["b.parquet", "a.parquet", "card.csv", "info.json"]) await put(folder, name);
    const opened = await openInputs([folder]);
    expect(opened.sources.map(({ input }) => input)).toEqual(["a.parquet", "b.parquet"]);
    const ranges = await opened.sources[0]?.ranges();
    expect([ranges?.size, Buffer.from((await ranges?.read(2, 5)) ?? []).toString()]).toEqual([9, "par"]);
    await ranges?.close();
    expect((await openInputs([join(folder, "a.parquet")])).readable).toBe("a");
    await rm(join(folder, "a.parquet"));
    await expect(opened.sources[0]?.ranges()).rejects.toMatchObject({
      code: "E_INPUT_MISSING",
      where: expect.any(String),
    });
  });

  test("a folder of links to files, as caches of data sets are", async () => {
    await put(folder, "blobs/abc", "linked");
    await mkdir(join(folder, "snapshot"));
    await symlink("../blobs/abc", join(folder, "snapshot/train.jsonl"));
    await symlink("../snapshot", join(folder, "snapshot/loop"));
    await symlink("nowhere", join(folder, "snapshot/notes.txt"));
    const opened = await openInputs([join(folder, "snapshot")]);
    expect(opened.sources.map(({ input }) => input)).toEqual(["train.jsonl"]);
    expect(await textOf(opened.sources[0])).toBe("linked");
  });

  test("globs, relative ones, too; a real name with their characters is that file", async () => {
    for (const name of ["run-1/a.jsonl", "run-2/a.jsonl", "run-2/b.jsonl", "other/a.jsonl", "run-3/a.txt"])
      await put(folder, name);
    expect(await labels(join(folder, "run-*/*.jsonl"))).toEqual(["run-1/a.jsonl", "run-2/a.jsonl", "run-2/b.jsonl"]);
    expect(await labels(join(folder, "**/a.jsonl"))).toEqual(["other/a.jsonl", "run-1/a.jsonl", "run-2/a.jsonl"]);
    expect(await labels(join(folder, "run-[23]/*"))).toEqual(["run-2/a.jsonl", "run-2/b.jsonl", "run-3/a.txt"]);
    expect(await labels(await put(folder, "odd[1].jsonl"))).toEqual(["odd[1].jsonl"]);
  });

  test("several arguments are one input in natural order, below what they have in common", async () => {
    const paths = [await put(folder, "b/10.jsonl"), await put(folder, "b/9.jsonl"), await put(folder, "a/1.jsonl")];
    expect(await labels(...paths)).toEqual(["a/1.jsonl", "b/9.jsonl", "b/10.jsonl"]);
    expect(await labels(...paths.toReversed())).toEqual(await labels(...paths));
  });

  test("stdin is spooled, read twice, and gone after close", async () => {
    const stdin = Readable.from([Buffer.from('{"a":1}\n'), Buffer.from('{"a":2}\n')]);
    const opened = await openInputs(["-"], { stdin });
    expect(opened).toMatchObject({ readable: "stdin", sources: [{ input: "stdin", where: "stdin" }] });
    for (let i = 0; i < 2; i += 1) expect(await textOf(opened.sources[0])).toBe('{"a":1}\n{"a":2}\n');
    await opened.close();
    await expect(textOf(opened.sources[0])).rejects.toMatchObject({ code: "E_INPUT_MISSING" });
  });

  test("a pipe with a name is spooled like stdin", async () => {
    const pipe = join(folder, "pipe");
    await promisify(execFile)("mkfifo", [pipe]);
    const [opened] = await Promise.all([openInputs([pipe]), writeFile(pipe, "once")]);
    for (let i = 0; i < 2; i += 1) expect(await textOf(opened.sources[0])).toBe("once");
    await opened.close();
  });

  test("stdin that is interrupted leaves nothing behind", async () => {
    const spooled = async (): Promise<string[]> =>
      (await readdir(tmpdir())).filter((name) => name.startsWith("assay-input-"));
    const before = await spooled();
    const controller = new AbortController();
    const opening = openInputs(["-"], { stdin: new Readable({ read() {} }), signal: controller.signal });
    controller.abort();
    await expect(opening).rejects.toMatchObject({ code: "E_ABORTED" });
    expect(await spooled()).toEqual(before);
  });

  test("what is not there is named", async () => {
    const missing = join(folder, "nope.jsonl");
    expect(await refusal(missing)).toBe(`E_INPUT_MISSING ${missing}`);
    expect(await refusal(join(folder, "*.jsonl"))).toBe(`E_INPUT_MISSING ${join(folder, "*.jsonl")}`);
    await put(folder, "empty/readme.txt");
    expect(await refusal(join(folder, "empty"))).toBe(`E_INPUT_MISSING ${join(folder, "empty")}`);
    expect(await refusal(await put(folder, "a.jsonl"), missing)).toBe(`E_INPUT_MISSING ${missing}`);
  });

  test("a file that vanishes or may not be read between the passes says so", async () => {
    const opened = await openInputs([await put(folder, "a.jsonl")]);
    await rm(join(folder, "a.jsonl"));
    await expect(textOf(opened.sources[0])).rejects.toMatchObject({ code: "E_INPUT_MISSING" });
    if (process.getuid?.() === 0) return;
    const path = await put(folder, "b.jsonl");
    await chmod(path, 0);
    await expect(textOf((await openInputs([path])).sources[0])).rejects.toMatchObject({ code: "E_DENIED" });
  });
});

test("an object of a bucket whose name is no key is refused with its name, and not taken for a fault of ours", async () => {
  const server = await startS3Server();
  const env = { AWS_ENDPOINT_URL: server.url, AWS_ACCESS_KEY_ID: "x", AWS_SECRET_ACCESS_KEY: "x" };
  const before = Object.fromEntries(Object.keys(env).map((name) => [name, process.env[name]]));
  Object.assign(process.env, env);
  try {
    const put = (key: string): unknown =>
      server.buckets.get(server.bucket)?.set(key, { bytes: Buffer.from("{}"), etag: '"1"', metadata: {} });
    put("fine/a.jsonl");
    put("twice//a.jsonl");
    put("back/a\\b.jsonl");
    expect(await labels(`s3://${server.bucket}/fine/`)).toEqual(["a.jsonl"]);
    put("shards[0]/step?.jsonl");
    put("shards0/step1.jsonl");
    const named = await openInputs([`s3://${server.bucket}/shards[0]/step?.jsonl`]);
    expect(named.sources.map(({ where }) => where)).toEqual([`s3://${server.bucket}/shards[0]/step?.jsonl`]);
    expect(await labels(`s3://${server.bucket}/shards[0]/step[1].jsonl`)).toEqual(["step1.jsonl"]);
    put("fine/b.csv");
    expect((await openInputs([`s3://${server.bucket}/fine`])).passedOver).toEqual([
      expect.stringContaining(`s3://${server.bucket}/fine: 1 file is not read, b.csv`),
    ]);
    const at = `s3://${server.bucket}/`;
    for (const [input, where] of [
      ["twice//a.jsonl", "twice//a.jsonl"],
      ["twice/", "twice//a.jsonl"],
      ["twice//*.jsonl", "twice/"],
      ["back/*", "back/a\\b.jsonl"],
      ["a\u0001.jsonl", "a\\u0001.jsonl"],
      ["../a.jsonl", "../a.jsonl"],
      ["/a.jsonl", "/a.jsonl"],
    ] as const)
      expect(await refusal(at + input)).toBe(`E_INPUT_UNREADABLE ${at}${where}`);
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    await server.close();
  }
});
