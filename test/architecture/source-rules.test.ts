import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { importsOf, sourceRules, withoutComments } from "./source-rules.ts";

const repository = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** rule -> texts that must be found, and the path they would stand under */
const planted: Readonly<Record<string, readonly [path: string, ...texts: string[]]>> = {
  "core has no clock, chance, environment, timer, logger or network": [
    "packages/core/src/x.ts",
    "const t = Date.now();",
    "const t = new Date();",
    "const r = Math.random();",
    'const e = process.env["A"];',
    'console.log("a");',
    "setTimeout(f, 1);",
    "const t = performance.now();",
    'await fetch("http://a");',
    "crypto.randomUUID();",
    "globalThis.x;",
  ],
  "core takes createHash from node:crypto and nothing else": [
    "packages/core/src/x.ts",
    'import { createHash, randomBytes } from "node:crypto";',
    'import crypto from "node:crypto";',
  ],
  "only apps read the environment and the arguments": [
    "packages/store/src/x.ts",
    'const a = process.env["HOME"];',
    "const a = process.argv[2];",
    'const a = process["env"];',
    'import { env } from "node:process";',
    'import process from "node:process";',
  ],
  "the use cases import types of the adapters, never code": [
    "packages/scoring/src/x.ts",
    'import { localStore } from "@assay/store/local";',
    'import { type ObjectStore, assertAtomicStore } from "@assay/store";',
    'import {\n  type ObjectStore,\n  assertAtomicStore,\n} from "@assay/store";',
    'export { encodeShard } from "@assay/datasets";',
    'const a = await import("@assay/engine/openai");',
    'import "@assay/queue";',
  ],
  "index files name what they export": [
    "packages/store/src/index.ts",
    'export * from "./port.ts";',
    'export type * from "./port.ts";',
  ],
  "only the store writes or deletes objects": [
    "packages/scoring/src/x.ts",
    "await client.send(new DeleteObjectCommand(target));",
    "await client.send(new PutObjectCommand(target));",
  ],
  "the store never replaces: no rename, no copy, no multipart, every put carries IfNoneMatch": [
    "packages/store/src/x.ts",
    "await rename(temp, path);",
    'import { link, rename } from "node:fs/promises";',
    "await client.send(new PutObjectCommand({ Bucket, Key, Body }));",
    "await client.send(new CompleteMultipartUploadCommand({}));",
    "await client.send(new CreateMultipartUploadCommand({}));",
    "await client.send(new UploadPartCommand({}));",
    "remove: (key) => client.send(new DeleteObjectCommand(target(key))),",
    "async remove(key) { await unlink(pathOf(key)); }",
  ],
  "objects are removed by the garbage collection alone": [
    "packages/scoring/src/x.ts",
    "await store.remove(key);",
    "await ports.store.remove(key);",
  ],
  "no other code removes or renames files": [
    "apps/cli/src/x.ts",
    'import { readFile, rm } from "node:fs/promises";',
    'import { unlinkSync } from "node:fs";',
    'import * as fs from "node:fs";',
    'import fs from "node:fs/promises";',
  ],
};

const sources = ["packages", "apps"].flatMap((layer) =>
  readdirSync(join(repository, layer)).flatMap((name) => filesUnder(join(repository, layer, name, "src"))),
);

describe("the rules on source text", () => {
  test("look at the product's files", () => {
    expect(sources).toEqual(expect.arrayContaining(["packages/core/src/index.ts", "packages/store/src/port.ts"]));
  });

  test("each have a planted breach", () => {
    expect(Object.keys(planted).sort()).toEqual(sourceRules.map(({ name }) => name).sort());
  });

  test.each(sourceRules.map((rule) => [rule.name, rule] as const))("%s", (name, rule) => {
    const [path, ...texts] = planted[name]!;
    expect(rule.applies(path)).toBe(true);
    expect(texts.filter((text) => rule.breaches(text, path).length === 0)).toEqual([]);

    const breaches = sources
      .filter((file) => rule.applies(file))
      .map((file) => ({ file, breaches: rule.breaches(readSource(file), file) }))
      .filter((found) => found.breaches.length > 0);
    expect(breaches).toEqual([]);
  });

  test("leave comments, types and plain reading alone", () => {
    const text = withoutComments(
      '// process.env and Date.now()\n/** Math.random */\nimport type { A } from "@assay/store";\nimport { type B } from "@assay/queue";\nimport type { Dirent } from "node:fs";\nconst at = new Date(ms); // epoch ms\n',
    );
    for (const rule of sourceRules) expect(rule.breaches(text, "packages/core/src/x.ts")).toEqual([]);
  });
});

test("a package declares every package of ours that its src imports", () => {
  // the import rules cannot tell a workspace that is declared from one that is merely linked
  const missing = sources.flatMap((file) => {
    const folder = file.split("/").slice(0, 2).join("/");
    const manifest = JSON.parse(readFileSync(join(repository, folder, "package.json"), "utf8"));
    const own = new Set([manifest.name, ...Object.keys(manifest.dependencies ?? {})]);
    return importsOf(readSource(file))
      .map(({ from }) => /^@assay\/[^/]+/.exec(from)?.[0])
      .filter((name) => name !== undefined && !own.has(name))
      .map((name) => `${file}: ${name}`);
  });
  expect(missing).toEqual([]);
});

function readSource(file: string): string {
  return withoutComments(readFileSync(join(repository, file), "utf8"));
}

function filesUnder(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => relative(repository, join(folder, name)).split(sep).join("/"));
}
