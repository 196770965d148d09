import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "@jest/globals";

const repository = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const config = join(repository, ".dependency-cruiser.cjs");

/** rule -> the file that breaks it, and its text. Two rules may rightly name one import; each must name its own. */
const planted: Readonly<Record<string, readonly [file: string, text: string]>> = {
  "no-circular": ["packages/core/src/circle.ts", 'import "./circle.ts";'],
  "not-to-unresolvable": ["packages/store/src/gone.ts", 'import "./nowhere.ts";'],
  "core-is-pure": ["packages/core/src/reads-files.ts", 'import { readFile } from "node:fs/promises"; void readFile;'],
  "adapters-know-only-core": [
    "packages/store/src/knows-engine.ts",
    'import type { Thing } from "@assay/engine"; export type T = Thing;',
  ],
  "one-sdk-core": ["packages/core/src/logs.ts", 'import "pino";'],
  "one-sdk-datasets": ["packages/datasets/src/uploads.ts", 'import "@aws-sdk/client-s3";'],
  "one-sdk-engine": ["packages/engine/src/queues.ts", 'import "bullmq";'],
  "one-sdk-store": ["packages/store/src/decodes.ts", 'import "hyparquet";'],
  "one-sdk-queue": ["packages/queue/src/asks.ts", 'import "openai";'],
  "one-sdk-simulator": ["packages/simulator/src/asks.ts", 'import "undici";'],
  "one-sdk-scoring": ["packages/scoring/src/uploads.ts", 'export { x } from "@aws-sdk/client-s3";'],
  "one-sdk-evaluation": ["packages/evaluation/src/decodes.ts", 'await import("hyparquet");'],
  "use-cases-know-only-ports": ["packages/evaluation/src/scores.ts", 'import "@assay/scoring";'],
  "simulator-for-apps-and-tests": ["packages/scoring/src/simulates.ts", 'import "@assay/simulator";'],
  "src-without-testkit": ["apps/cli/src/fakes.ts", 'import "@assay/testkit";'],
  "packages-never-import-apps": ["packages/testkit/src/runs-cli.ts", 'import "../../../apps/cli/src/main.ts";'],
  "through-the-front-door": ["packages/scoring/src/inside.ts", 'import "../../store/src/inner.ts";'],
  "through-the-front-door-from-outside": ["test/e2e/inside.test.ts", 'import "../../packages/store/src/inner.ts";'],
  "no-path-into-a-package": ["apps/cli/src/by-path.ts", 'import "../../../packages/store/src/index.ts";'],
  "no-undeclared": ["apps/cli/src/undeclared.ts", 'import "pino";'],
  "no-undeclared-in-tests": ["apps/cli/test/undeclared.test.ts", 'import "pino";'],
  "no-dev-dep-in-src": ["packages/store/src/dev-only.ts", 'import "@smithy/dev-only";'],
};

/** What each layer may do, in every form of import the rules look at. */
const clean: Readonly<Record<string, string>> = {
  "packages/core/src/pure.ts":
    'import { createHash } from "node:crypto"; import { z } from "zod"; void [createHash, z];',
  "packages/datasets/src/decodes.ts": 'import "node:zlib"; import "hyparquet"; import "@assay/core";',
  "packages/engine/src/asks.ts": 'import "openai"; import "undici"; import "@assay/core";',
  "packages/store/src/s3.ts": 'export * from "./inner.ts"; import "@aws-sdk/client-s3"; import "@assay/core";',
  "packages/queue/src/queues.ts": 'import "bullmq"; import "ioredis"; import "@assay/core";',
  "packages/scoring/src/scores.ts":
    'import type { Thing } from "@assay/engine"; import "@assay/core"; import "zod"; export type T = Thing;',
  "apps/cli/src/wires.ts": 'import "@assay/store/s3"; import "@assay/scoring"; import "@assay/simulator";',
  "apps/cli/test/wires.test.ts": 'import "@jest/globals"; import "@assay/testkit"; import "../src/wires.ts";',
  "test/e2e/all.test.ts": 'import "@assay/store/s3"; import "@assay/simulator"; import "@assay/testkit";',
};

const manifests: Readonly<Record<string, readonly string[]>> = {
  core: ["zod", "pino"],
  datasets: ["hyparquet", "@aws-sdk/client-s3"],
  engine: ["openai", "undici", "bullmq"],
  store: ["@aws-sdk/client-s3", "hyparquet"],
  queue: ["bullmq", "ioredis", "openai"],
  simulator: ["undici"],
  scoring: ["zod", "@aws-sdk/client-s3"],
  evaluation: ["hyparquet"],
  testkit: [],
};
const npmPackages = [...new Set([...Object.values(manifests).flat(), "@smithy/dev-only", "@jest/globals"])];

const trees: string[] = [];
afterAll(() => Promise.all(trees.map((tree) => rm(tree, { recursive: true, force: true }))));

describe("the import rules", () => {
  test("let what the layers may do pass", async () => {
    const { rules, found, modules } = await cruise(clean);
    expect(found).toEqual([]);
    expect(modules).toEqual(expect.arrayContaining(Object.keys(clean)));
    // a rule without a plant is a rule nobody has seen bite
    expect(Object.keys(planted).sort()).toEqual([...rules].sort());
  });

  test("each bite where they are broken", async () => {
    const { found } = await cruise({ ...clean, ...Object.fromEntries(Object.values(planted)) });
    for (const [rule, [file]] of Object.entries(planted)) {
      expect(found).toContainEqual({ rule, file });
    }
    const broken = new Set(Object.values(planted).map(([file]) => file));
    expect(found.filter(({ file }) => !broken.has(file))).toEqual([]);
  });
});

interface Cruise {
  readonly rules: readonly string[];
  readonly found: readonly { rule: string; file: string }[];
  readonly modules: readonly string[];
}

/** Runs the repository's rules over a tree that mirrors its layout; npm packages are empty stand-ins. */
async function cruise(files: Readonly<Record<string, string>>): Promise<Cruise> {
  const tree = await mkdtemp(join(tmpdir(), "assay-imports-"));
  trees.push(tree);
  await Promise.all([
    ...npmPackages.map((name) => plantNpmPackage(tree, name)),
    ...Object.entries(manifests).map(([name, dependencies]) => plantPackage(tree, name, dependencies)),
    write(tree, "apps/cli/package.json", JSON.stringify({ name: "@assay/cli", dependencies: {} })),
    write(tree, "apps/cli/src/main.ts", "export {};"),
    write(tree, "test/package.json", JSON.stringify({ name: "@assay/test" })),
  ]);
  await Promise.all(Object.entries(files).map(([path, text]) => write(tree, path, text)));
  const bin = join(repository, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  const args = [bin, "--config", config, "--output-type", "json", "packages", "apps", "test"];
  const output = await new Promise<string>((resolveOutput, reject) => {
    execFile(process.execPath, args, { cwd: tree, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (stdout.startsWith("{")) resolveOutput(stdout);
      else reject(error ?? new Error(stderr));
    });
  });
  const report = JSON.parse(output) as {
    modules: { source: string }[];
    summary: { violations: { rule: { name: string }; from: string }[]; ruleSetUsed: { forbidden: { name: string }[] } };
  };
  return {
    rules: report.summary.ruleSetUsed.forbidden.map(({ name }) => name),
    found: report.summary.violations.map(({ rule, from }) => ({ rule: rule.name, file: from })),
    modules: report.modules.map(({ source }) => source),
  };
}

async function plantPackage(tree: string, name: string, dependencies: readonly string[]): Promise<void> {
  const exports = {
    ".": { "@assay/source": "./src/index.ts" },
    ...(name === "store" ? { "./s3": { "@assay/source": "./src/s3.ts" } } : {}),
  };
  const manifest = {
    name: `@assay/${name}`,
    type: "module",
    exports,
    dependencies: versions(dependencies),
    devDependencies: versions(name === "store" ? ["@smithy/dev-only"] : []),
  };
  await write(tree, `packages/${name}/package.json`, JSON.stringify(manifest));
  await write(tree, `packages/${name}/src/index.ts`, "export interface Thing { a: number }");
  if (name === "store") await write(tree, "packages/store/src/inner.ts", "export const inner = 1;");
  await mkdir(join(tree, "node_modules/@assay"), { recursive: true });
  await symlink(`../../packages/${name}`, join(tree, "node_modules/@assay", name));
}

function versions(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, "1.0.0"]));
}

async function plantNpmPackage(tree: string, name: string): Promise<void> {
  // the entry lies in a dist folder, as most do: an exclude of "dist" that is not anchored would hide it from the rules
  await write(
    tree,
    `node_modules/${name}/package.json`,
    JSON.stringify({ name, version: "1.0.0", main: "./dist/main.js" }),
  );
  await write(tree, `node_modules/${name}/dist/main.js`, "exports.x = 1;");
}

async function write(tree: string, path: string, text: string): Promise<void> {
  await mkdir(dirname(join(tree, path)), { recursive: true });
  await writeFile(join(tree, path), text);
}
